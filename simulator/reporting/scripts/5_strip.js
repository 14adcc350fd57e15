// All days of one arm: a row a year, a cell a day in the colour of its label, a mark where the gate acted.

const yearOf = (time) => new Date(time).getUTCFullYear();

class Strip {
	constructor(decisions, open) {
		Object.assign(this, { decisions, chosen: NONE });
		this.canvas = el('canvas', { role: 'img', click: (event) => open(this.at(event)), mousemove: (event) => { this.canvas.title = iso(decisions.time(this.at(event))); } });
		this.title = el('figcaption');
		this.element = el('figure', { class: 'strip' }, this.title, this.canvas, el('ul', { class: 'legend' }, [...decisions.labels, ['no advice', 'var(--rule)']].map(([name, colour]) => el('li', {}, swatch(colour), name))));
		new ResizeObserver(() => this.draw()).observe(this.element);
		matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.draw());
		this.show(0, 0);
	}

	show(arm, symbol) {
		const { decisions } = this;
		this.one = decisions.series.find((each) => each.arm === arm && each.symbol === symbol) ?? decisions.series[0];
		const what = `Every day of ${decisions.arms[this.one.arm].name}${decisions.several ? ` on ${decisions.symbols[this.one.symbol].name}` : ''}`;
		this.title.textContent = `${what}: a row a year, coloured by label, a dark mark where the gate acted`;
		this.canvas.setAttribute('aria-label', `${what}, by label; the list below holds the same.`);
		this.draw();
	}

	draw() {
		const { canvas, decisions, one } = this;
		if (!canvas.clientWidth) return;
		this.first = yearOf(one.times[0]);
		const years = yearOf(one.times.at(-1)) - this.first + 1;
		const style = getComputedStyle(canvas);
		const colour = (name) => (name.startsWith('var(') ? style.getPropertyValue(name.slice(4, -1)).trim() : name) || style.color;
		const colours = decisions.labels.map(([, name]) => colour(name));
		this.height = 12;
		canvas.style.height = `${years * this.height}px`;
		canvas.width = canvas.clientWidth * devicePixelRatio;
		canvas.height = years * this.height * devicePixelRatio;
		this.left = 36;
		this.wide = (canvas.clientWidth - this.left) / 366;
		const pen = canvas.getContext('2d');
		pen.scale(devicePixelRatio, devicePixelRatio);
		pen.font = '10px system-ui, sans-serif';
		pen.textBaseline = 'middle';
		pen.fillStyle = colour('var(--quiet)');
		for (let at = 0; at < years; at += 1) pen.fillText(this.first + at, 0, (at + 0.5) * this.height);
		one.times.forEach((time, at) => {
			const [x, y] = this.place(time);
			const days = Math.min(4, Math.max(1, (one.times[at + 1] - time) / DAY || 1)); // over a weekend
			pen.fillStyle = colours[one.label[at]] ?? colour('var(--rule)');
			pen.fillRect(x, y, days * this.wide + 0.3, this.height - 1);
			if (decisions.intents[one.intent[at]] === 'none') return;
			pen.fillStyle = style.color;
			pen.fillRect(x, y + this.height / 2, Math.max(this.wide, 1.5), this.height / 2 - 1);
		});
		if (this.chosen === NONE) return;
		const [x, y] = this.place(decisions.time(this.chosen));
		pen.strokeStyle = style.color;
		pen.lineWidth = 2;
		pen.strokeRect(x - 2, y - 1, this.wide + 4, this.height + 1);
	}

	place(time) {
		const year = yearOf(time);
		return [this.left + this.wide * Math.floor((time - Date.UTC(year, 0)) / DAY), (year - this.first) * this.height];
	}

	at(event) {
		const day = Date.UTC(this.first + Math.floor(event.offsetY / this.height), 0, 1 + Math.floor((event.offsetX - this.left) / this.wide));
		return this.one.first + nearest(this.one.times, day);
	}

	choose(row) {
		const { arm, symbol } = this.decisions.seriesOf(row);
		this.chosen = row;
		this.show(arm, symbol);
	}
}
