// Events, in words and in tables.
import { el, name, table, leaseLink, pathLink, claimMarks, link } from './dom.js'
import { moment, duration } from './time.js'

const words = {
  queued: 'waits in line', granted: 'granted', renewed: 'renewed', relabelled: 'labels changed', released: 'released', expired: 'expired', lapsed: 'place lapsed',
  withdrawn: 'withdrawn', revoked: 'revoked', replaced: 'replaced', transferred: 'handed over', config: 'configuration changed',
}
const reasons = { timeout: 'timed out', cancelled: 'gave up', deadlock: 'deadlock' }

/** kind shows what happened. */
export function kind(e) {
  const bad = ['revoked', 'expired', 'lapsed'].includes(e.kind) || e.why === 'deadlock'
  const text = e.kind === 'withdrawn' ? reasons[e.why] ?? words.withdrawn : words[e.kind] ?? e.kind
  return el('span', { class: 'event ' + e.kind + (bad ? ' bad' : ''), text })
}

/** note says what else is known: who did it and why, how long it took. */
export function note(e) {
  const parts = []
  if (e.kind === 'granted' && e.granted_at) {
    const waited = Date.parse(e.granted_at) - Date.parse(e.created_at)
    if (waited > 0) parts.push('after ' + duration(waited) + ' of waiting')
    if (e.replaced) parts.push(el('span', {}, 'in place of ', leaseLink(e.replaced, name(e.replaced, 14))))
  }
  const held = e.granted_at && !['granted', 'queued', 'renewed', 'relabelled'].includes(e.kind) ? Date.parse(e.at) - Date.parse(e.granted_at) : -1
  if (held >= 0) parts.push('held for ' + duration(held))
  if (e.renewals > 1) parts.push(e.renewals + ' times')
  if (e.kind === 'renewed' && e.expires_at) parts.push(el('span', {}, 'until ', moment(e.expires_at)))
  if (e.kind === 'transferred' && e.actor) parts.push(el('span', {}, 'to ', name(e.actor, 40)))
  else if (e.actor) parts.push(el('span', {}, 'by ', name(e.actor, 60)))
  if (e.reason) parts.push(name(e.reason, 200))
  if (e.replaced_by) parts.push(el('span', {}, 'now ', leaseLink(e.replaced_by, name(e.replaced_by, 14))))
  return el('span', {}, ...parts.flatMap((p, i) => (i ? [', ', p] : [p])))
}

/** folded joins renewals in a row to one line: a long lease has thousands. */
export function folded(events) {
  const out = []
  for (const e of events) {
    const last = out.at(-1)
    if (e.kind === 'renewed' && last?.kind === 'renewed' && last.id === e.id) last.renewals = (last.renewals ?? 1) + 1
    else out.push({ ...e })
  }
  return out
}

const columns = {
  at: ['When', (e) => moment(e.at), 'number'],
  what: ['What', kind],
  holder: ['Holder', (e) => (e.holder ? link('now', { view: 'list', holder: e.holder }, name(e.holder, 40)) : '')],
  path: ['Path', (e) => (e.path ? el('span', { class: 'cell' }, pathLink(e.path, 60), ...claimMarks(e).filter(Boolean), e.claims > 1 ? el('span', { class: 'more', text: '+' + (e.claims - 1) }) : null) : ''), 'wide'],
  lease: ['Lease', (e) => (e.id ? leaseLink(e.id, name(e.id, 14)) : '')],
  note: ['', note],
}

/** events makes a table of events. */
export function events(caption, list, which = ['at', 'what', 'holder', 'path', 'lease', 'note']) {
  return table(caption, which.map((w) => columns[w]), folded(list), 'Nothing is recorded.')
}

/** end says that a look into the history did not reach its beginning. */
export function end(history) {
  return history.searched_to ? el('p', { class: 'note', text: `What happened before event ${history.searched_to} is not shown.` }) : ''
}
