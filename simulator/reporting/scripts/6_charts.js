// Charts over time: values under the pointer, zoom by a drag to a stretch that all share, a logarithmic axis, lines
// that can be left out. A panel is drawn anew from its first drawing each time.

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
		const from = this.time(0);
		this.lay(this.bar, (time - from) / (this.time(1) - from));
	}

	draw() {
		const placed = (share) => (this.time(share) - this.from) / (this.to - this.from);
		this.whole.hidden = !stretch;
		for (const panel of this.panels) panel.draw(placed(0), placed(1), this.log, this.hidden, stretch && timeTicks(...stretch));
		this.mark();
	}
}

class Panel {
	constructor(svg) {
		const { low, high, scale } = svg.dataset;
		Object.assign(this, { svg, first: svg.cloneNode(true), low: Number(low), high: Number(high), log: scale === 'log' });
		this.height = Number(svg.querySelector('.lines').getAttribute('height'));
		this.unit = /[^\d.,-]*$/.exec(svg.querySelector('.tick.y')?.textContent ?? '')[0];
		this.lines = [...svg.querySelectorAll('.line')].reverse().map((path) => ({ name: path.dataset.line, colour: path.getAttribute('stroke'), points: this.points(path) }));
	}

	/** The points of a path as shares of width and height, and which begin a part. */
	points(path) {
		const [xs, ys, begins] = [[], [], []];
		for (const [, command, numbers] of path.getAttribute('d').matchAll(/([MlL])([^MlLhZ]*)/g)) {
			if (command === 'M') begins.push(xs.length);
			const values = numbers.match(/-?\d+/g).map(Number);
			for (let at = 0; at < values.length; at += 2) {
				const base = command === 'l' ? xs.length - 1 : NONE;
				xs.push(values[at] / 10000 + (xs[base] ?? 0));
				ys.push(values[at + 1] / 2 / this.height + (ys[base] ?? 0));
			}
		}
		return [xs, ys, begins];
	}

	/** The value at a share of the height, on the axis as it was drawn first. */
	value(y) { return this.log ? this.low * (this.high / this.low) ** (1 - y) : this.high - y * (this.high - this.low); }

	seen(hidden) { return this.lines.filter(({ name }) => !hidden.has(name)); }

	/** What each line comes to at a share of the whole time. */
	values(share, hidden) {
		return this.seen(hidden).map(({ name, colour, points: [xs, ys] }) => {
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
		const [lines, { height }] = [fresh.querySelector('.lines'), this];
		const each = (found, change) => fresh.querySelectorAll(found).forEach(change);
		const hide = (one) => one.setAttribute('display', 'none');
		const make = (name, given, text = '') => {
			const made = document.createElementNS(fresh.namespaceURI, name);
			for (const [key, value] of Object.entries(given)) made.setAttribute(key, value);
			made.textContent = text;
			fresh.insertBefore(made, lines);
		};
		const move = (one, keys, place) => keys.filter((key) => one.hasAttribute(key)).forEach((key) => {
			const [share, text] = place(parseFloat(one.getAttribute(key)));
			one.setAttribute(key, text);
			if (!(share >= 0 && share <= 1)) hide(one);
		});
		lines.setAttribute('viewBox', `${from * 10000} 0 ${(to - from) * 10000} ${2 * height}`);
		if (ticks || log !== this.log) each('.end', (one) => one.remove());
		if (ticks) each('.notch, .tick.x, .grid[x1]', (one) => one.remove());
		if (this.first.querySelector('.notch')) ticks?.forEach((text, at) => {
			const [x, foot] = [`${20 * at + 10}%`, TOP + height];
			make('line', { class: 'notch', x1: x, x2: x, y1: foot, y2: foot + 4 });
			make('text', { class: 'tick x', x, y: foot + 17 }, text);
		});
		each('.upright, .marks use, .name[dx]', (one) => move(one, ['x', 'x1', 'x2'], (x) => {
			const share = (x / 100 - from) / (to - from);
			return [share, `${100 * share}%`];
		}));
		if (this.lines.length && (ticks || log !== this.log)) {
			const [low, high] = ticks ? this.ends(from, to, hidden) : [this.low, this.high];
			const down = (value) => (log ? Math.log(high / value) / Math.log(high / low) : (high - value) / (high - low));
			each('.line, .band', (path) => {
				const [xs, ys, begins] = this.points(path);
				path.setAttribute('d', xs.map((x, at) => `${begins.includes(at) ? 'M' : 'L'}${Math.round(10000 * x)} ${Math.round(2 * height * down(this.value(ys[at])))}`).join(''));
			});
			each('.marks use, .level', (one) => move(one, ['y', 'y1', 'y2'], (y) => {
				const share = down(this.value((y - TOP) / height));
				return [share, TOP + height * share];
			}));
			each('.grid[y1], .tick.y', (one) => one.remove());
			const size = 10 ** Math.floor(Math.log10(high - low));
			const step = size * [2, 1, 0.5][(high - low < 5 * size) + (high - low < 2.5 * size)];
			for (let at = Math.ceil(low / step); at * step <= high; at += 1) {
				const y = TOP + height * down(at * step);
				make('line', { class: 'grid', x2: '100%', y1: y, y2: y });
				make('text', { class: 'tick y', dx: -8, y: y + 4 }, figure(at * step) + this.unit);
			}
		}
		each('[data-line]', (one) => hidden.has(one.dataset.line) && hide(one));
		this.svg.replaceWith(fresh);
		this.svg = fresh;
	}

	/** The lowest and the highest value of a stretch, no nearer than a path can tell. */
	ends(from, to, hidden) {
		const all = this.seen(hidden).flatMap(({ points: [xs, ys] }) => ys.filter((_, at) => xs[at] >= from && xs[at] <= to));
		const [top, foot] = all.length ? [Math.min(...all), Math.max(...all)] : [0, 1];
		const room = Math.max((foot - top) / 20, (0.2 + top - foot) / 2);
		return [Math.min(1, foot + room), Math.max(0, top - room)].map((y) => this.value(y));
	}
}

/** What five times between two are called. */
const timeTicks = (from, to) => [1, 3, 5, 7, 9].map((part) => new Date(from + (part * (to - from)) / 10).toISOString().slice(...(to - from > 8 * DAY ? [0, 10] : [5, 16])));
