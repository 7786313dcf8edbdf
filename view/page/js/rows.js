// The lines of the list and the tree, and the columns they have.
import { el, name, leaseLink, pathLink, claimMarks, ordinal, plural, visible, short } from './dom.js'
import { since, until } from './time.js'

// A line has room for one label: the one that most likely says what for.
const telling = ['reason', 'task', 'purpose', 'branch', 'job']

export function purpose(labels) {
  if (!labels) return ''
  const key = telling.find((k) => k in labels) ?? Object.keys(labels)[0]
  return key === undefined ? '' : telling.indexOf(key) < 3 && telling.includes(key) ? labels[key] : `${key}: ${labels[key]}`
}

/** expiry shows how long a lease still lasts, and its share of the TTL. */
export function expiry(row) {
  if (!row.expires_at) return el('span', { class: 'none', text: '–' })
  return el('span', { class: 'expiry' }, until(row.expires_at),
    el('span', { class: 'meter', 'aria-hidden': 'true', 'data-end': Date.parse(row.expires_at), 'data-ttl': row.ttl_seconds * 1000 }))
}

/** holder shows who, and what for. */
export function holder(row) {
  const what = purpose(row.labels)
  return el('span', { class: 'who' },
    el('a', { href: '#now?' + new URLSearchParams({ view: 'list', holder: row.holder }), tabindex: row.grid ? '-1' : null }, name(row.holder, 60)),
    what ? el('span', { class: 'what', title: visible(what), text: visible(short(what, 60)) }) : null)
}

/** crowd shows who waits for a lease, or where a waiter stands. */
export function crowd(row) {
  if (row.kind === 'waiter') return el('span', { class: 'line', text: ordinal(row.position || 1) + ' in line' })
  if (!row.waiters) return el('span', { class: 'none', text: '' })
  return el('span', { class: 'crowd', text: (row.waiters >= 100 ? '99+' : row.waiters) + ' waiting' })
}

/** status says in words what the marks show. */
export function status(row) {
  return row.kind === 'waiter' ? 'waiting' : row.mode === 'shared' ? 'held, shared' : 'held'
}

/** cells are those of a line in the grid, under the headings of now.js. */
export function cells(row, tree) {
  const path = el('span', { role: tree ? 'gridcell' : 'cell', class: 'path' })
  path.style.setProperty('--depth', row.depth)
  if (row.kind === 'dir') {
    path.append(el('span', { class: 'twist', 'aria-hidden': 'true' }), name(row.name, 160))
    const text = [row.held ? plural(row.held, 'held', 'held') : '', row.waiting ? row.waiting.toLocaleString('en') + ' waiting' : ''].filter(Boolean).join(', ')
    return [path, el('span', { role: tree ? 'gridcell' : 'cell', class: 'sum', text })]
  }
  const anchor = leaseLink(row.id, name(row.name === '.' ? 'this directory' : row.name, 160))
  anchor.tabIndex = -1
  path.append(el('span', { class: 'mark', role: 'img', 'aria-label': status(row), title: status(row) }), anchor, ...claimMarks(row).filter(Boolean))
  if (!tree && row.claims > 1) path.append(el('span', { class: 'more', text: `+${row.claims - 1}`, title: plural(row.claims - 1, 'more claim') }))
  const cell = (kind, child) => el('span', { role: tree ? 'gridcell' : 'cell', class: kind }, child)
  return [
    path,
    cell('holder', holder({ ...row, grid: true })),
    cell('age number', since(row.since)),
    cell('left number', row.kind === 'waiter' ? el('span', { class: 'wait', text: 'waiting' }) : expiry(row)),
    cell('crowds', crowd(row)),
  ]
}

/** columns of plain tables of such rows. */
export const columns = {
  path: ['Path', (r) => el('span', { class: 'cell' }, el('span', { class: 'mark ' + r.kind + ' ' + r.mode, role: 'img', 'aria-label': status(r) }), pathLink(r.path, 60), ...claimMarks(r).filter(Boolean),
    r.claims > 1 ? el('span', { class: 'more', text: `+${r.claims - 1}` }) : null), 'wide'],
  lease: ['Lease', (r) => leaseLink(r.id, name(r.id, 16))],
  holder: ['Holder', holder],
  held: ['Held for', (r) => since(r.since), 'number'],
  waited: ['Waiting for', (r) => since(r.since), 'number'],
  age: ['Since', (r) => since(r.since), 'number'],
  expires: ['Expires in', expiry, 'number'],
  crowd: ['In line', crowd],
}

