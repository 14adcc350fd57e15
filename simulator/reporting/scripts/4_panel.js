// Everything about one decision, in the order in which it came about.

class DecisionPanel {
	constructor(decisions, step) {
		this.decisions = decisions;
		this.title = el('h3', { tabindex: '-1', id: 'bar' });
		this.body = el('div', { class: 'told' });
		this.element = el('section', { class: 'decision', 'aria-labelledby': 'bar', hidden: true }, this.title,
			el('p', { class: 'pager' }, button('Bar before', () => step(-1)), button('Bar after', () => step(1))), this.body);
	}

	async show(row, note) {
		const { decisions } = this;
		const bar = decisions.about(row);
		Object.assign(this, { row, bar });
		this.title.textContent = [bar.time, ...(decisions.several ? [bar.symbol] : []), bar.arm].join(', ');
		this.element.hidden = false;
		const [told, books] = await Promise.all([decisions.told(row), read('books')]);
		if (this.row !== row) return; // another was chosen
		this.body.replaceChildren(...[note && quiet(note),
			...(told ? [...this.said(told), this.judged(told.gate)] : [p('Its words are not on the page. In the folder of the page they are told by ', this.command())]),
			this.traded(row, books), this.followed(row), this.beside(row)].filter(Boolean));
	}

	command(more = '') {
		const quote = (text) => (/^[\w.-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
		const symbol = this.decisions.several ? ` --symbol ${quote(this.bar.symbol)}` : '';
		return el('code', {}, `btllm trace . --at ${this.bar.time} --arm ${quote(this.bar.arm)}${symbol}${more}`);
	}

	*said(told) {
		const { bar, decisions: { images } } = this;
		const shown = told.shown.map(({ source, text, image }) => [el('h5', {}, source), text && el('pre', {}, text),
			image && (images[image] ? el('img', { alt: `What ${source} showed`, src: `data:image/png;base64,${images[image]}` })
			: p(`An image, sha256 ${image}. It is drawn again by `, this.command(' --images .')))]);
		yield part('Shown', shown.length ? shown : quiet('No text: a rule decided.'), told.plan && p(`Planned: ${told.plan.join(', ') || 'nothing'}`));
		if (told.asked.length) yield part('Asked and answered', this.conversation(told.asked));
		const sure = Object.fromEntries([[bar.label, told.sure[0]], [bar.action, told.sure[1]]].filter(([, share]) => share != null));
		yield part('Decided', p([bar.status, ...told.repairs].join(', ')), told.failure && p(el('strong', {}, told.failure)), !bar.failed && p(bar.said, bar.label && ', ', bar.action),
			told.rationale && el('blockquote', {}, told.rationale), told.sure[1] != null && shares('Confidence as the advice states it', sure));
		yield part('Policy', told.policy.map((why) => p(why)));
	}

	conversation(asked) {
		let last;
		return asked.map(({ purpose, messages, answer, events }) => {
			const said = messages !== last && messages;
			last = messages ?? last;
			const scores = probabilities(answer);
			const length = said && said.reduce((sum, { text }) => sum + text.length, 0);
			return [el('h5', {}, `Question: ${purpose}`),
				said && el('details', { open: length < 1200 }, el('summary', {}, `${said.length} messages, as they were sent`),
					said.map(({ role, text, images }) => [el('small', {}, role), el('pre', {}, text), images.map((image) => el('small', {}, `image, sha256 ${image}`))])),
				!messages && p('Its messages are told by ', this.command()),
				answer == null ? p(el('strong', {}, 'no answer')) : [el('small', {}, this.bar.model || 'answer'), el('pre', { class: 'answer' }, answer)],
				scores && shares('Probabilities', scores), events.map((event) => p(event))];
		});
	}

	judged([intent, size, stop, target, reason, cuts]) {
		const wish = [intent, size && `${figure(size)} shares`, stop && `stop ${figure(100 * stop)}% from the fill`, target && `target ${figure(100 * target)}% from it`];
		return part('Gate', p(wish.filter(Boolean).join(', ')), reason && p(reason), cuts.length
			? table(['Limit', 'Before', 'After'], cuts.map(([limit, before, after]) => [limit, ...(before || after ? [figure(before), figure(after)] : ['', 'flag'])])) : quiet('No limit cut it.'));
	}

	traded(row, books) {
		const { arm, symbol } = this.bar.one;
		const time = this.decisions.time(row);
		const book = books.books.find((each) => each.arm === arm && each.symbol === symbol);
		const rows = (name) => (book?.[name] ?? []).map((values) => Object.fromEntries(books[name].map((key, at) => [key, values[at]])));
		const orders = rows('orders').filter((order) => order.created === time);
		const done = orders.map((order) => order.done ?? NaN);
		const trades = rows('trades').filter((trade) => done.includes(trade.entered) || done.includes(trade.exited)
			|| (trade.entered <= time && (trade.exited > time || trade.exit_reason === 'open')));
		return part('Orders and trades', orders.length
			? table(['Order', 'Size', 'Status', 'Filled at', 'On'], orders.map((order) => [`${order.kind}: ${order.side}, ${order.type}`, figure(order.size), order.status, money(order.fill_price), order.done && iso(order.done)]))
			: quiet('No order was sent.'), trades.length > 0
			&& table(['Trade', 'From', 'At', 'To', 'At', 'Net'], trades.map((trade) => [`${trade.side}, ${figure(trade.size)}`, this.before(trade.entered), money(trade.entry_price),
				trade.exit_reason === 'open' ? 'open' : [this.before(trade.exited), ` by ${trade.exit_reason}`], money(trade.exit_price), money(trade.net)])));
	}

	/** A time as a link to the last decision before it, which is what it came of. */
	before(time) {
		const { one } = this.bar;
		const at = nearest(one.times, time);
		return this.decisions.anchor(one.first + (at > 0 && one.times[at] >= time ? at - 1 : at), iso(time));
	}

	followed(row) {
		return part('What followed', table(['After', 'Change of the close'], [1, 5, 20].map((bars) => [bars === 1 ? '1 bar' : `${bars} bars`, signed(this.decisions.after(row, bars)) || 'the prices end before'])));
	}

	beside(row) {
		const { decisions, bar: { one } } = this;
		const rows = decisions.beside(row).map((each) => [each, decisions.about(each)]);
		const others = decisions.arms[one.arm].advised ? decisions.series.filter((each) => each !== one && each.symbol === one.symbol && decisions.arms[each.arm].advised) : [];
		return part('The other arms at this bar', rows.length
			? table(['Arm', 'Label', 'Action', 'Sure', 'Gate'], rows.map(([each, bar]) => [decisions.anchor(each, bar.arm), bar.said, bar.action, bar.sure, bar.intent]))
			: quiet('No other arm decided here.'), others.map((each) => {
			const found = decisions.partings(one, each);
			const { name } = decisions.arms[each.arm];
			return p(found.length ? `${name} says something else at ${figure(found.length)} of ${figure(one.times.length)} bars, first on ` : `${name} says the same at every bar.`,
				found.slice(0, 5).map((at, number) => [number ? ', ' : '', decisions.anchor(at)]));
		}));
	}
}

const part = (title, ...children) => el('section', {}, el('h4', {}, title), children);

function shares(title, found) {
	return [el('h5', {}, title), el('dl', { class: 'shares' }, Object.entries(found).map(([name, share]) => {
		const bar = el('span', { class: 'share' });
		bar.style.width = `${100 * share}%`;
		return [el('dt', {}, name), el('dd', {}, `${(100 * share).toFixed(1)}%`, el('span', { class: 'whole' }, bar))];
	}))];
}

/** The probabilities of which an answer is made, else null. */
function probabilities(answer) {
	try {
		const found = JSON.parse(answer);
		const values = Object.values(found);
		return values.length > 1 && values.every((share) => share >= 0) && Math.abs(summed(values).at(-1) - 1) < 0.01 ? found : null;
	} catch {
		return null;
	}
}
