// The decisions of a record: rows are numbers from 0 on, one for each decision of each arm on each symbol.

class Decisions {
	constructor(core) {
		Object.assign(this, core, { count: 0, words: new Map(), several: core.symbols.length > 1 });
		for (const symbol of this.symbols) symbol.times = summed(symbol.times);
		for (const one of this.series) {
			one.at = summed(one.at);
			one.first = this.count;
			this.count += one.at.length;
			one.times = one.at.map((bar) => this.symbols[one.symbol].times[bar]);
		}
		this.of = new Uint32Array(this.count);
		this.series.forEach((one, number) => this.of.fill(number, one.first, one.first + one.at.length));
	}

	seriesOf(row) { return this.series[this.of[row]]; }
	value(row, column) { const one = this.seriesOf(row); return one[column][row - one.first]; }
	time(row) { return this.value(row, 'times'); }
	after(row, bars) { return this.symbols[this.seriesOf(row).symbol].after[bars]?.[this.value(row, 'at')] ?? null; }

	/** What is known of a row without its words. */
	about(row) {
		const one = this.seriesOf(row);
		const [label, action, status, intent, cut, sure] = ['label', 'action', 'status', 'intent', 'cut', 'sure'].map((name) => one[name][row - one.first]);
		const [name, colour] = this.labels[label] ?? ['', ''];
		const [state, failed] = this.statuses[status];
		return {
			one, time: iso(this.time(row)), arm: this.arms[one.arm].name, model: this.arms[one.arm].model, symbol: this.symbols[one.symbol].name,
			label: name, action: this.actions[action] ?? '', status: state, failed, intent: this.intents[intent],
			cut: this.cuts[cut], sure: sure === NONE ? '' : `${sure}%`, said: failed ? el('strong', {}, state) : name && [swatch(colour), name],
		};
	}

	/** Whether label, action or status differ from the bar before. */
	changed(row) {
		const one = this.seriesOf(row);
		const at = row - one.first;
		return at === 0 || ['label', 'action', 'status'].some((name) => one[name][at] !== one[name][at - 1]);
	}

	/** The row of an arm and a symbol nearest to a time, else NONE. */
	find(time, symbol, arm) {
		const one = this.series.find((each) => each.symbol === symbol && each.arm === arm);
		return one && !Number.isNaN(time) ? one.first + nearest(one.times, time) : NONE;
	}

	/** The rows of the other arms at the bar of this one. */
	beside(row) {
		const { symbol } = this.seriesOf(row);
		const time = this.time(row);
		return this.series.filter((each) => each.symbol === symbol).map((each) => each.first + nearest(each.times, time)).filter((each) => each !== row && this.time(each) === time);
	}

	/** The rows of one series at which the other one differs. */
	partings(one, other) {
		const found = [];
		let at = 0;
		one.times.forEach((time, place) => {
			while (other.times[at] < time) at += 1;
			if (other.times[at] === time && (one.label[place] !== other.label[at] || one.action[place] !== other.action[at])) found.push(one.first + place);
		});
		return found;
	}

	link(row) {
		const { one, time, arm, symbol } = this.about(row);
		const named = new URLSearchParams({ bar: time });
		if (this.several) named.set('symbol', symbol);
		if (one.arm) named.set('arm', arm);
		return `#${named.toString().replace(/%3A/g, ':')}`;
	}

	anchor(row, text = iso(this.time(row))) { return el('a', { href: this.link(row) }, text); }

	/** The row that a link names, else NONE; a day is that of its first decision. */
	row(link) {
		const named = new URLSearchParams(link.slice(1));
		const bar = named.get('bar') ?? '';
		const [symbol, arm] = ['symbol', 'arm'].map((key) => (named.has(key) ? this[`${key}s`].findIndex((each) => each.name === named.get(key)) : 0));
		const found = this.find(timeOf(bar), symbol, arm);
		const later = found + 1 < this.count && this.of[found + 1] === this.of[found] && iso(this.time(found + 1)).startsWith(bar);
		return found !== NONE && later && !iso(this.time(found)).startsWith(bar) ? found + 1 : found;
	}

	/** Open the words of these stretches of time. */
	async open(numbers = [...this.stretches.keys()]) {
		for (const number of numbers) {
			if (this.words.has(number)) continue;
			const found = await read(`words-${number}`);
			const rows = new Map();
			for (const each of found.rows) summed(each.at).forEach((place, at) => rows.set(this.series[each.series].first + place, [each.outcome[at], each.gate[at]]));
			this.words.set(number, { ...found, rows });
		}
	}

	/** The words of a row, null where they are not on the page. */
	async told(row) {
		const time = this.time(row);
		const number = this.stretches.findIndex(([first, last]) => first <= time && time <= last);
		if (number < 0) return null;
		await this.open([number]);
		const { rows, texts, talks, outcomes, gates } = this.words.get(number);
		if (!rows.has(row)) return null;
		const [outcome, gate] = rows.get(row);
		const [shown, asked, rationale, sure, repairs, failure, policy, plan] = outcomes[outcome];
		const text = (at) => texts[at];
		return {
			shown: shown.map(([source, said, image]) => ({ source: text(source), text: text(said), image })),
			asked: asked.map(([purpose, talk, answer, ...events]) => ({
				purpose, answer: text(answer), events: events.map(text), messages: talks[talk]?.map(([role, said, ...images]) => ({ role, text: text(said), images })),
			})),
			rationale: text(rationale), sure, repairs: repairs.map(text), failure: text(failure), policy: policy.map(text), plan: plan?.map(text), gate: gates[gate],
		};
	}

	/** The rows whose words hold this text. */
	async saying(wanted) {
		await this.open();
		const found = new Set();
		for (const { rows, texts, outcomes, gates } of this.words.values()) {
			const hit = texts.map((text) => text.toLowerCase().includes(wanted));
			const said = outcomes.map(([shown, asked, rationale, , repairs, failure, policy]) => [
				...shown.map((each) => each[1]), ...asked.flatMap(([, , ...texted]) => texted), rationale, failure, ...repairs, ...policy].some((at) => hit[at]));
			const judged = gates.map(([intent, , , , reason]) => `${intent} ${reason}`.toLowerCase().includes(wanted));
			for (const [row, [outcome, gate]] of rows) if (said[outcome] || judged[gate]) found.add(row);
		}
		return found;
	}
}
