// Charts over time: values under the pointer, zoom by a drag, a logarithmic axis, lines that can be left out. A panel
// is drawn anew from its first drawing each time; all charts show one stretch of time.

const TOP = 12;
const charts = [];
let stretch = null; // from and to in milliseconds; null for the whole time

function zoom(chosen) {
	stretch = chosen;
	for (const chart of charts) chart.draw();
}

class Chart {
	constructor(frame, pick) {
		Object.assign(this, { frame, pick, from: Number(frame.dataset.from), to: Number(frame.dataset.to), hidden: new Set() });
		this.panels = [...frame.querySelectorAll('.panel')].map((svg) => new Panel(svg));
		this.log = this.panels[0].log;
		[this.bar, this.brush, this.rule, this.tip] = ['bar', 'brush', 'rule', 'tip'].map((name) => el('div', { class: `over ${name}`, hidden: true }));
		frame.append(this.bar, this.brush, this.rule, this.tip);
		this.whole = button('Whole time', () => zoom(null), { hidden: true });
		const logs = this.panels.every(({ low }) => !(low <= 0)) && button('Log scale', () => {
			this.log = !this.log;
			logs.setAttribute('aria-pressed', this.log);
			this.draw();
		}, { 'aria-pressed': String(this.log) });
		frame.before(el('p', { class: 'tools' }, logs, this.whole));
		for (const item of frame.parentElement.querySelectorAll('.legend [data-line]')) {
			const name = item.dataset.line;
			const toggle = button([...item.childNodes], () => {
				if (!this.hidden.delete(name)) this.hidden.add(name);
				toggle.setAttribute('aria-pressed', !this.hidden.has(name));
				this.draw();
			}, { 'aria-pressed': 'true' });
			item.append(toggle);
		}
		frame.addEventListener('pointerdown', (event) => { this.began = event.button ? null : this.share(event); });
		frame.addEventListener('pointermove', (event) => this.moved(event));
		frame.addEventListener('pointerup', (event) => this.released(event));
		frame.addEventListener('pointerleave', () => this.left());
	}

	/** Where the pointer is across the panels, from 0 to 1. */
	share(event) {
		const box = this.panels[0].svg.getBoundingClientRect();
		return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
	}

	time(share) { const [from, to] = stretch ?? [this.from, this.to]; return from + share * (to - from); }

	/** Lay an element over the panels. */
	lay(element, from, to = from) {
		const box = this.panels[0].svg.getBoundingClientRect();
		element.style.left = `${box.left - this.frame.getBoundingClientRect().left + from * box.width}px`;
		if (to > from) element.style.width = `${(to - from) * box.width}px`;
		element.hidden = !(from >= 0 && from <= 1);
	}

	moved(event) {
		const share = this.share(event);
		const time = this.time(share);
		this.tip.replaceChildren(el('b', {}, iso(Math.round(time / 60000) * 60000).slice(0, this.to - this.from > 90 * DAY ? 10 : 16)),
			...this.panels.flatMap((panel) => panel.values((time - this.from) / (this.to - this.from), this.hidden)));
		this.tip.classList.toggle('late', share > 0.5);
		this.lay(this.rule, share);
		this.lay(this.tip, share);
		if (this.began != null && event.buttons) this.lay(this.brush, Math.min(this.began, share), Math.max(this.began, share));
	}

	released(event) {
		if (this.began == null) return;
		const [from, to] = [this.began, this.share(event)].sort((a, b) => a - b);
		if (to - from > 0.01) zoom([this.time(from), this.time(to)]);
		else this.pick(this.time(from), event.target.closest('.panel')?.querySelector('.name[x="100%"]')?.textContent);
		this.left();
	}

	left() {
		this.began = null;
		for (const each of [this.tip, this.rule, this.brush]) each.hidden = true;
	}

	/** A line where the bar is that is open. */
	mark(time = this.marked) {
		this.marked = time;
		const [from, to] = [this.time(0), this.time(1)];
		this.lay(this.bar, (time - from) / (to - from));
	}

	draw() {
		const placed = (time) => (time - this.from) / (this.to - this.from);
		this.whole.hidden = !stretch;
		for (const panel of this.panels) panel.draw(placed(this.time(0)), placed(this.time(1)), this.log, this.hidden, stretch && timeTicks(...stretch).map(([time, text]) => [placed(time), text]));
		this.mark();
	}
}

class Panel {
	constructor(svg) {
		const [low, high] = [Number(svg.dataset.low), Number(svg.dataset.high)];
		Object.assign(this, { svg, first: svg.cloneNode(true), low, high, log: svg.dataset.scale === 'log' });
		this.height = Number(svg.querySelector('.lines').getAttribute('height'));
		this.unit = /[^\d.,-]*$/.exec(svg.querySelector('.tick.y')?.textContent ?? '')[0];
		this.lines = [...svg.querySelectorAll('.line')].reverse().map((path) => ({ name: path.dataset.line, colour: path.getAttribute('stroke'), points: this.points(path) }));
	}

	/** The points of a path of relative lines, as shares of width and height from the upper left. */
	points(path) {
		const [xs, ys] = [[], []];
		for (const [, command, numbers] of path.getAttribute('d').matchAll(/([MlL])([^MlLhZ]*)/g)) {
			const values = numbers.match(/-?\d+/g).map(Number);
			for (let at = 0; at < values.length; at += 2) {
				const base = command === 'l' ? xs.length - 1 : NONE;
				xs.push(values[at] / 10000 + (xs[base] ?? 0));
				ys.push(values[at + 1] / 2 / this.height + (ys[base] ?? 0));
			}
		}
		return [xs, ys];
	}

	/** The value at a share of the height, on the axis as it was drawn first. */
	value(y) { return this.log ? this.low * (this.high / this.low) ** (1 - y) : this.high - y * (this.high - this.low); }

	/** What each line comes to at a share of the whole time. */
	values(share, hidden) {
		return this.lines.filter(({ name }) => !hidden.has(name)).map(({ name, colour, points: [xs, ys] }) => {
			const at = nearest(xs, share);
			const next = Math.min(Math.max(0, at + Math.sign(share - xs[at])), xs.length - 1);
			const y = ys[at] + (next === at ? 0 : ((share - xs[at]) / (xs[next] - xs[at])) * (ys[next] - ys[at]));
			const value = this.value(y);
			const decimals = Math.max(0, Math.floor(-Math.log10(this.value(y - 0.5 / this.height) - value))); // as fine as it is drawn
			return el('div', {}, swatch(colour), `${name} `, el('b', {}, value.toLocaleString('en-US', { maximumFractionDigits: decimals }), this.unit));
		});
	}

	draw(from, to, log, hidden, ticks) {
		const fresh = this.first.cloneNode(true);
		const lines = fresh.querySelector('.lines');
		const make = (name, given, text = '') => {
			const made = document.createElementNS(fresh.namespaceURI, name);
			for (const [key, value] of Object.entries(given)) made.setAttribute(key, value);
			made.textContent = text;
			fresh.insertBefore(made, lines);
		};
		const across = (share) => `${(100 * (share - from)) / (to - from)}%`;
		const foot = TOP + this.height;
		lines.setAttribute('viewBox', `${from * 10000} 0 ${(to - from) * 10000} ${2 * this.height}`);
		if (ticks || log !== this.log) fresh.querySelectorAll('.end').forEach((each) => each.remove());
		if (ticks) fresh.querySelectorAll('.notch, .tick.x, .grid[x1]').forEach((each) => each.remove());
		for (const [share, text] of ticks ?? []) {
			make('line', { class: 'notch', x1: across(share), x2: across(share), y1: foot, y2: foot + 4 });
			make('text', { class: 'tick x', x: across(share), y: foot + 17 }, text);
		}
		for (const each of fresh.querySelectorAll('.upright, .marks use, .name[dx], .word')) {
			for (const key of ['x', 'x1', 'x2'].filter((name) => each.hasAttribute(name))) {
				const share = parseFloat(each.getAttribute(key)) / 100;
				each.setAttribute(key, across(share));
				if (share < from || share > to) each.setAttribute('display', 'none');
			}
		}
		if (log !== this.log && this.low > 0) this.bend(fresh, log);
		for (const each of fresh.querySelectorAll('[data-line]')) if (hidden.has(each.dataset.line)) each.setAttribute('display', 'none');
		this.svg.replaceWith(fresh);
		this.svg = fresh;
	}

	/** Let the upright axis be logarithmic, or linear where it was that. */
	bend(fresh, log) {
		const { low, high, height } = this;
		const down = (value) => height * (log ? Math.log(high / value) / Math.log(high / low) : (high - value) / (high - low));
		for (const path of fresh.querySelectorAll('.line, .band')) {
			const [xs, ys] = this.points(path);
			const end = path.getAttribute('d').endsWith('Z') ? 'Z' : '';
			path.setAttribute('d', `M${xs.map((x, at) => `${Math.round(10000 * x)} ${Math.round(2 * down(this.value(ys[at])))}`).join('L')}${end}`);
		}
		let before = Infinity;
		for (const each of fresh.querySelectorAll('.marks use, .word, .level, .grid[y1], .tick.y')) {
			const text = each.matches('.tick') ? 4 : 0; // which stands so far below its place
			for (const key of ['y', 'y1', 'y2'].filter((name) => each.hasAttribute(name))) each.setAttribute(key, text + TOP + down(this.value((each.getAttribute(key) - text - TOP) / height)));
			if (text && Math.abs(before - each.getAttribute('y')) < 13) each.setAttribute('display', 'none');
			else if (text) before = each.getAttribute('y');
		}
	}
}

/** Five times between two, and how they are called. */
const timeTicks = (from, to) => [1, 3, 5, 7, 9].map((part) => from + (part * (to - from)) / 10)
	.map((time) => [time, new Date(time).toISOString().slice(...(to - from > 8 * DAY ? [0, 10] : [5, 16]))]);
