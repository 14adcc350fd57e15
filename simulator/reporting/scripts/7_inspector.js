// The inspector: a bar is open when the address says so (#bar=2008-10-10), so that links and the back button work.

class Inspector {
	constructor(place, decisions) {
		this.decisions = decisions;
		this.strip = new Strip(decisions, (row) => this.go(row));
		this.list = new DecisionList(decisions, (arm, symbol) => this.strip.show(arm, symbol));
		this.panel = new DecisionPanel(decisions, (by) => this.stepBar(by));
		const { worded, count } = decisions;
		place.append(el('p', { class: 'note' }, worded < count && [`The words of ${figure(worded)} of ${figure(count)} decisions stand on this page: those at which something changed or happened, the latest first. Others are told in the folder of the page by `,
			el('code', {}, 'btllm trace . --at DATE --arm ARM'), '. '], 'Keys: ', el('kbd', {}, 'j'), ' and ', el('kbd', {}, 'k'), ' go down and up the list.'),
		this.strip.element, this.list.element, this.panel.element);
		this.link();
		addEventListener('hashchange', () => this.follow());
		document.addEventListener('keydown', (event) => this.key(event));
	}

	/** Open a row; where the reader `stays`, the window does not move to it. */
	go(row, stays = false) {
		if (row === NONE) return;
		this.stays = stays;
		this.list.chosen = row; // the next key goes on from here
		const link = this.decisions.link(row);
		if (location.hash === link) this.follow();
		else location.hash = link;
	}

	/** Open the bar that the address names. */
	follow(block = 'nearest') {
		if (!location.hash.startsWith('#bar=')) return;
		const { decisions, panel, stays } = this;
		const row = decisions.row(location.hash);
		if (row === NONE) {
			panel.element.hidden = false;
			panel.title.textContent = 'No such bar';
			panel.body.replaceChildren(p('The link names no symbol, arm or date of this page.'));
		} else {
			const wanted = new URLSearchParams(location.hash.slice(1)).get('bar');
			this.list.choose(row);
			this.strip.choose(row);
			for (const chart of charts) chart.mark(decisions.time(row));
			panel.show(row, !iso(decisions.time(row)).startsWith(wanted) && `There is no decision at ${wanted}: this is the nearest one.`);
		}
		this.stays = false;
		if (stays) return;
		panel.title.focus({ preventScroll: true });
		panel.title.scrollIntoView({ block });
	}

	stepBar(by) {
		const row = this.panel.row + by;
		if (this.decisions.of[row] === this.decisions.of[this.panel.row]) this.go(row, true);
	}

	key(event) {
		if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.('input, select, textarea')) return;
		const by = { j: 1, k: -1 }[event.key];
		if (by) this.go(this.list.step(by), !this.panel.element.hidden);
	}

	/** The bar of the arm that is looked at, nearest to a time on a symbol. */
	near(time, symbol) {
		const { decisions } = this;
		return decisions.find(time, Math.max(0, decisions.symbols.findIndex((each) => each.name === symbol)), this.strip.one.arm);
	}

	/** Dates in the tables of changes and trades lead to their bars. */
	link() {
		const names = this.decisions.symbols.map((each) => each.name);
		for (const line of document.querySelectorAll('table.quoted tbody tr')) {
			const cells = [...line.cells];
			const symbol = cells.map((cell) => cell.textContent).find((text) => names.includes(text));
			for (const cell of cells) {
				const text = cell.textContent;
				const row = /^\d{4}-\d\d-\d\d(T[\d:.]+)?$/.test(text) ? this.near(timeOf(text), symbol) : NONE;
				if (row !== NONE) cell.replaceChildren(this.decisions.anchor(row, text));
			}
		}
	}
}

async function begin() {
	const place = document.querySelector('[data-script="inspector"]');
	const inspector = place && new Inspector(place, new Decisions(await read('core')));
	for (const frame of document.querySelectorAll('.chart[data-from]')) charts.push(new Chart(frame, (time, symbol) => inspector?.go(inspector.near(time, symbol))));
	inspector?.follow('start');
	document.querySelectorAll('.unscripted').forEach((each) => each.remove());
	performance.mark('ready');
}

begin();
