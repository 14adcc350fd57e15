// The table of all configurations: chosen by their settings, sorted by any column, in pages, each with the keys that run it alone.
// It takes the place of the table that stands there without scripts. Text of a sweep only ever becomes a text node.

const ROWS = 50;
const SPELLED = {
	ratio: (value) => value.toFixed(2),
	percent: (value) => `${(100 * value).toFixed(1)}%`,
	count: (value) => value.toLocaleString('en-US', { maximumFractionDigits: 0 }),
	money: (value) => value.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 }),
};

class Configurations {
	constructor({ axes, figures }) {
		Object.assign(this, { axes, figures, by: NONE, down: false, page: 0, kept: new Map(), heads: [] });
		this.all = (axes[0] ?? figures[0]).rows.map((_, row) => row);
		this.body = el('tbody');
		this.count = el('p', { class: 'note', role: 'status' });
		this.alone = el('div', { role: 'status' });
		this.before = button('Previous page', () => this.turn(this.page - 1));
		this.next = button('Next page', () => this.turn(this.page + 1));
		const columns = [['Rank', NONE], ...axes.map((axis, at) => [axis.key, at]), ...figures.map((each, at) => [each.heading, axes.length + at])];
		const head = columns.map(([text, at]) => {
			const made = el('th', { scope: 'col', class: at >= axes.length && 'number' }, button(text, () => {
				Object.assign(this, { by: at, down: this.by === at ? !this.down : at >= axes.length });
				this.turn(0);
			}));
			this.heads.push([made, at]);
			return made;
		});
		this.element = el('div', { class: 'configurations' }, this.filters(), this.count,
			el('div', { class: 'scroll', role: 'group', 'aria-labelledby': 'configurations', tabindex: 0 },
				el('table', { class: 'rows picks' }, el('caption', {}, 'A rank shows the keys that run its configuration alone'), el('thead', {}, el('tr', {}, head)), this.body)),
			el('p', { class: 'pager' }, this.before, this.next), this.alone);
		this.turn(0);
	}

	filters() {
		const chosen = this.axes.filter((axis) => axis.values.length > 1 && axis.values.length <= 60);
		return el('div', { class: 'filters', role: 'search', 'aria-label': 'Configurations' }, chosen.map((axis) => {
			const select = el('select', { change: () => {
				if (select.value) this.kept.set(axis, Number(select.value));
				else this.kept.delete(axis);
				this.turn(0);
			} }, el('option', { value: '' }, 'any'), axis.values.map(([text], at) => el('option', { value: at }, text)));
			return el('label', {}, axis.key, select);
		}));
	}

	column(at) {
		return at < this.axes.length ? this.axes[at].rows : this.figures[at - this.axes.length].rows;
	}

	turn(page) {
		const found = this.all.filter((row) => [...this.kept].every(([axis, value]) => axis.rows[row] === value));
		if (this.by !== NONE) {
			const values = this.column(this.by);
			const sign = this.down ? -1 : 1;
			found.sort((a, b) => (values[a] == null) - (values[b] == null) || sign * (values[a] - values[b]) || a - b);
		} else if (this.down) found.reverse();
		const pages = Math.max(1, Math.ceil(found.length / ROWS));
		this.page = Math.min(Math.max(page, 0), pages - 1);
		this.before.disabled = this.page === 0;
		this.next.disabled = this.page === pages - 1;
		const told = `${found.length.toLocaleString('en-US')} of ${this.all.length.toLocaleString('en-US')} configurations`;
		this.count.textContent = pages > 1 ? `${told}, page ${this.page + 1} of ${pages}` : told;
		for (const [head, at] of this.heads) {
			if (at === this.by) head.setAttribute('aria-sort', this.down ? 'descending' : 'ascending');
			else head.removeAttribute('aria-sort');
		}
		this.body.replaceChildren(...found.slice(this.page * ROWS, (this.page + 1) * ROWS).map((row) => this.row(row)));
	}

	row(row) {
		const rank = button(String(row + 1), () => this.show(row), { 'aria-label': `Rank ${row + 1}: how to run it alone` });
		return el('tr', {}, el('th', { scope: 'row' }, rank), this.axes.map((axis) => el('td', {}, axis.values[axis.rows[row]][0])),
			this.figures.map(({ unit, rows }) => el('td', { class: 'number' }, rows[row] == null ? 'n/a' : SPELLED[unit](rows[row]))));
	}

	/** The settings of a configuration as YAML: sections in one another, values as JSON. */
	show(row) {
		const lines = [];
		let open = [];
		const set = this.axes.filter((axis) => axis.values[axis.rows[row]][1] != null).sort((a, b) => (a.key < b.key ? -1 : 1));
		for (const axis of set) {
			if (axis.arm) continue;
			const parts = axis.key.split('.');
			let same = 0;
			while (same < parts.length - 1 && open[same] === parts[same]) same++;
			for (let at = same; at < parts.length - 1; at++) lines.push(`${'  '.repeat(at)}${parts[at]}:`);
			lines.push(`${'  '.repeat(parts.length - 1)}${parts.at(-1)}: ${axis.values[axis.rows[row]][1]}`);
			open = parts.slice(0, -1);
		}
		this.alone.replaceChildren(p(`Rank ${row + 1}: put these keys into the experiment of the sweep, then run `, el('code', {}, 'btllm compare experiment.yaml'), '.'), el('pre', {}, lines.join('\n')));
		this.alone.scrollIntoView({ block: 'nearest' });
	}
}

const place = document.querySelector('[data-script="configurations"]');
if (place) {
	read('configurations').then((data) => {
		document.querySelectorAll('.unscripted').forEach((each) => each.remove());
		place.closest('section').querySelector('.scroll').replaceWith(new Configurations(data).element);
		place.remove();
		performance.mark('ready');
	});
}
