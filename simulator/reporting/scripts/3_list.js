// The list of decisions: filters, search, order and pages.

const ROWS = 12;

class DecisionList {
	/** `filtered(arm, symbol)` is told what is looked at. */
	constructor(decisions, filtered) {
		Object.assign(this, { decisions, filtered, chosen: NONE, by: 'time', down: true, page: 0, found: null, kept: new Map(), sorted: {} });
		this.body = el('tbody');
		this.told = el('p', { class: 'note', role: 'status' });
		this.before = button('Previous page', () => this.turn(this.page - 1));
		this.next = button('Next page', () => this.turn(this.page + 1));
		this.element = el('div', { class: 'decision-list' }, this.filters(), this.told, el('table', { class: 'rows picks' },
			el('caption', {}, 'Choose a decision to see everything about it'), el('thead', {}, this.head()), this.body), el('p', { class: 'pager' }, this.before, this.next));
		this.refresh();
	}

	filters() {
		const { decisions } = this;
		const equal = (column) => (value) => (row) => decisions.value(row, column) === Number(value);
		const ofSeries = (key) => (value) => (row) => decisions.seriesOf(row)[key] === Number(value);
		const names = (list) => list.map((each, at) => [at, each.name ?? each]);
		const only = { changed: (row) => decisions.changed(row), acted: (row) => decisions.about(row).intent !== 'none', failed: (row) => decisions.about(row).failed };
		const cut = (value) => (row) => decisions.about(row).cut.some((limit) => value === '*' || limit === value);
		const choice = (name, all, options, test, first = '') => {
			if (options.length < 2) return null;
			const select = el('select', { change: () => { this.keep(name, select.value, test); this.turn(0); } }, el('option', { value: '' }, all), options.map(([value, text]) => el('option', { value }, text)));
			select.value = first;
			this.keep(name, first, test);
			return el('label', {}, name, select);
		};
		let waiting;
		const search = el('input', { type: 'search', placeholder: 'a date, or words', input: () => {
			clearTimeout(waiting);
			waiting = setTimeout(() => this.search(search.value.trim().toLowerCase()), 150);
		} });
		return el('div', { class: 'filters', role: 'search', 'aria-label': 'Decisions' },
			choice('Arm', 'all arms', names(decisions.arms), ofSeries('arm'), '0'),
			choice('Symbol', 'all symbols', names(decisions.symbols), ofSeries('symbol')),
			choice('Label', 'any', names(decisions.labels.map(([name]) => name)), equal('label')),
			choice('Action', 'any', names(decisions.actions), equal('action')),
			choice('Cut by', 'any or none', [['*', 'any limit'], ...[...new Set(decisions.cuts.flat())].sort().map((each) => [each, each])], cut),
			choice('Only', 'every bar', [['changed', 'where the advice changed'], ['acted', 'where the gate acted'], ['failed', 'failed']], (value) => only[value]),
			el('label', {}, 'Search', search));
	}

	keep(name, value, test) {
		if (value) this.kept.set(name, { value, test: test(value) });
		else this.kept.delete(name);
	}

	head() {
		const heads = [['Close of', 'time'], this.decisions.several && ['Symbol'], ['Arm'], ['Label', '', 'label'], ['Action', '', 'action'], ['Sure', 'sure', 'number spare'], ['Gate'],
			['After 1 bar', '1', 'number spare'], ['5', '5', 'number spare'], ['20', '20', 'number spare']].filter(Boolean);
		return el('tr', {}, heads.map(([text, by, look]) => {
			const head = el('th', { scope: 'col', class: look }, by ? button(text, () => {
				Object.assign(this, { by, down: this.by !== by || !this.down });
				this.turn(0);
			}) : text);
			if (by) this.sorted[by] = head;
			return head;
		}));
	}

	async search(wanted) {
		this.wanted = wanted;
		const { decisions } = this;
		let found = null;
		if (/^\d{4}(-|$)/.test(wanted)) found = { has: (row) => iso(decisions.time(row)).toLowerCase().startsWith(wanted) };
		else if (wanted) {
			this.told.textContent = 'Searching the words\u2026';
			found = await decisions.saying(wanted);
		}
		if (this.wanted !== wanted) return; // typed on
		this.found = found;
		this.turn(0);
	}

	turn(page) {
		this.page = page;
		this.refresh();
		const seen = (name) => Number(this.kept.get(name)?.value ?? 0);
		this.filtered(seen('Arm'), seen('Symbol'));
	}

	refresh() {
		const { decisions, by, down } = this;
		const tests = [...this.kept.values()].map(({ test }) => test);
		if (this.found) tests.push((row) => this.found.has(row));
		const rows = [];
		for (let row = 0; row < decisions.count; row += 1) if (tests.every((test) => test(row))) rows.push(row);
		const keys = new Float64Array(decisions.count);
		for (const row of rows) keys[row] = by === 'time' ? decisions.time(row) : by === 'sure' ? decisions.value(row, by) : decisions.after(row, by) ?? -Infinity;
		rows.sort((a, b) => (keys[a] - keys[b]) * (down ? -1 : 1) || a - b);
		this.rows = rows;
		for (const [name, head] of Object.entries(this.sorted)) {
			head.ariaSort = name === by ? (down ? 'descending' : 'ascending') : null;
		}
		this.show();
	}

	show() {
		const { rows } = this;
		const last = Math.max(0, Math.ceil(rows.length / ROWS) - 1);
		this.page = Math.min(this.page, last);
		const first = this.page * ROWS;
		const shown = rows.slice(first, first + ROWS);
		this.told.textContent = rows.length ? `${figure(first + 1)} to ${figure(first + shown.length)} of ${figure(rows.length)} decisions` : 'No decision is like that: take a filter or the search away.';
		this.before.disabled = this.page === 0;
		this.next.disabled = this.page === last;
		this.body.replaceChildren(...shown.map((row) => this.line(row)));
	}

	line(row) {
		const { decisions } = this;
		const bar = decisions.about(row);
		const link = decisions.anchor(row);
		if (row === this.chosen) link.setAttribute('aria-current', 'true');
		return el('tr', { class: row === this.chosen && 'chosen' }, el('th', { scope: 'row' }, link), decisions.several && el('td', {}, bar.symbol),
			[bar.arm, bar.said, bar.action].map((text) => el('td', {}, text)), el('td', { class: 'number spare' }, bar.sure),
			el('td', {}, bar.intent === 'none' ? '' : bar.intent, bar.cut.length > 0 && el('small', {}, `cut: ${bar.cut.join(', ')}`)),
			[1, 5, 20].map((bars) => el('td', { class: 'number spare' }, signed(decisions.after(row, bars)))));
	}

	/** Mark a row, on its page where the list holds it. */
	choose(row) {
		this.chosen = row;
		const at = this.rows.indexOf(row);
		if (at >= 0) this.page = Math.floor(at / ROWS);
		this.show();
	}

	/** The row so many places further in the list; from a bar that is not in it, the nearest one in time. */
	step(by) {
		const { rows, chosen } = this;
		const at = rows.indexOf(chosen);
		if (at >= 0 || chosen === NONE) return rows[Math.min(Math.max(0, at + by), rows.length - 1)] ?? NONE;
		const away = (row) => Math.abs(this.decisions.time(row) - this.decisions.time(chosen));
		return rows.reduce((best, row) => (best === NONE || away(row) < away(best) ? row : best), NONE);
	}
}
