'use strict';
// What all parts of the script need: elements, times, figures, packed documents.
// Text of a record only ever becomes a text node: nothing here writes HTML.

const NONE = -1;
const DAY = 86400000;
const documents = new Map();

/** An element with attributes, listeners (functions) and children. */
function el(tag, given = {}, ...children) {
	const made = document.createElement(tag);
	for (const [name, value] of Object.entries(given)) {
		if (typeof value === 'function') made.addEventListener(name, value);
		else if (value != null && value !== false) made.setAttribute(name, value === true ? '' : value);
	}
	made.append(...children.flat(9).filter((child) => child != null && child !== false && child !== ''));
	return made;
}

const p = (...children) => el('p', {}, children);
const quiet = (...children) => el('p', { class: 'quiet' }, children);
const button = (text, click, given = {}) => el('button', { type: 'button', click, ...given }, text);

function table(heads, rows) {
	return el('table', { class: 'rows' }, el('thead', {}, el('tr', {}, heads.map((head) => el('th', { scope: 'col' }, head)))),
		el('tbody', {}, rows.map(([first, ...rest]) => el('tr', {}, el('th', { scope: 'row' }, first), rest.map((cell) => el('td', {}, cell))))));
}

function swatch(colour) {
	const made = el('span', { class: 'swatch', 'aria-hidden': 'true' });
	made.style.background = colour;
	return made;
}

/** A document (gzip in base64), opened once. */
function read(name) {
	if (!documents.has(name)) {
		const bytes = Uint8Array.from(atob(document.querySelector(`script[data-name="${name}"]`).textContent), (sign) => sign.charCodeAt(0));
		documents.set(name, new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))).json());
	}
	return documents.get(name);
}

/** Values behind their steps. */
function summed(steps) {
	let sum = 0;
	return steps.map((step) => (sum += step));
}

/** A time as ISO text, without its clock at midnight. */
function iso(time) {
	return new Date(time).toISOString().replace(/(T00:00:00)?\.000Z$/, '').replace(/Z$/, '');
}

/** The time of an ISO text. */
const timeOf = (text) => Date.parse(text.includes('T') ? `${text}Z` : text);

/** The number of the value nearest to this one in ascending values. */
function nearest(values, wanted) {
	let low = 0;
	let high = values.length - 1;
	while (low < high) {
		const middle = (low + high) >> 1;
		if (values[middle] < wanted) low = middle + 1;
		else high = middle;
	}
	return low > 0 && wanted - values[low - 1] <= values[low] - wanted ? low - 1 : low;
}

/** A change in hundredths of a percent. */
const signed = (change) => (change == null ? '' : `${change < 0 ? '\u2212' : '+'}${(Math.abs(change) / 100).toFixed(2)}%`);
const figure = (value) => (value == null ? '' : value.toLocaleString('en-US', { maximumSignificantDigits: 8 }));
const money = (value) => (value == null || Math.abs(value) < 1 ? figure(value) : value.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 }));
