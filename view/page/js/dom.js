// Elements and texts. Names come from anybody, so they only ever become text:
// nothing on this page is made from markup.

/** el makes an element. Properties in kebab-case are attributes, "on..." are listeners. */
export function el(tag, properties = {}, ...children) {
  const e = document.createElement(tag)
  set(e, properties)
  e.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false))
  return e
}

const svgSpace = 'http://www.w3.org/2000/svg'

/** svg makes an element of a picture. */
export function svg(tag, attributes = {}, ...children) {
  const e = document.createElementNS(svgSpace, tag)
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v)
  e.append(...children)
  return e
}

function set(e, properties) {
  for (const [k, v] of Object.entries(properties)) {
    if (v === null || v === undefined || v === false) continue
    if (k.startsWith('on')) e.addEventListener(k.slice(2), v)
    else if (k === 'class') e.className = v
    else if (k === 'text') e.textContent = v
    else if (k === 'style') for (const [name, value] of Object.entries(v)) e.style.setProperty(name, value)
    else e.setAttribute(k, v === true ? '' : v)
  }
}

// What a reader would not see, or what would change the order of what is read:
// control characters, marks of direction, and characters without width.
const hidden = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g

/** visible returns a text with such characters spelled out. */
export function visible(text) {
  return String(text).replace(hidden, (c) => `⟨${c.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}⟩`)
}

/** short cuts a text in its middle. */
export function short(text, most = 120) {
  const all = [...String(text)]
  if (all.length <= most) return String(text)
  const half = Math.floor((most - 1) / 2)
  return all.slice(0, half).join('') + '…' + all.slice(-half).join('')
}

/** name shows a name that somebody chose, isolated from the text around it. */
export function name(text, most = 120) {
  const shown = visible(short(text, most))
  return el('bdi', { class: 'name', title: visible(text) === shown && shown.length < 24 ? null : visible(text), text: shown })
}

/** link leads to another page. */
export function link(page, parameters, ...children) {
  return el('a', { href: address(page, parameters) }, ...children)
}

export function address(page, parameters = {}) {
  const query = new URLSearchParams(parameters).toString()
  return '#' + page + (query ? '?' + query : '')
}

/** leaseLink and pathLink are the links that are most often needed. */
export const leaseLink = (id, ...children) => link('lease', { id }, ...children)
export const pathLink = (path, most) => link('path', { path }, name(path, most))

/** claim shows how a path is claimed, when that is not the usual. */
export function claimMarks(c) {
  return [
    c.scope === 'tree' ? el('span', { class: 'tag', title: 'With everything below', text: 'tree' }) : null,
    c.mode === 'shared' ? el('span', { class: 'tag', title: 'Others may share it', text: 'shared' }) : null,
  ]
}

/** table makes a table. Columns: [heading, cell of a row, class]. */
export function table(caption, columns, rows, empty) {
  if (rows.length === 0) return el('p', { class: 'empty', text: empty })
  return el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption },
    el('table', {},
      el('caption', { class: 'hidden', text: caption }),
      el('thead', {}, el('tr', {}, ...columns.map(([heading, , kind]) => el('th', { scope: 'col', class: kind, text: heading })))),
      el('tbody', {}, ...rows.map((r) => el('tr', {}, ...columns.map(([, cell, kind]) => el('td', { class: kind }, cell(r))))))))
}

/** section is a part of a page with a heading. */
export function section(heading, ...children) {
  return el('section', { class: 'part' }, el('h2', { text: heading }), ...children)
}

export function ordinal(n) {
  const rest = n % 100
  const suffix = rest > 10 && rest < 14 ? 'th' : ['th', 'st', 'nd', 'rd'][n % 10] ?? 'th'
  return n >= 100 ? 'beyond 99th' : n + suffix
}

export function plural(n, one, many = one + 's') {
  return `${n.toLocaleString('en')} ${n === 1 ? one : many}`
}
