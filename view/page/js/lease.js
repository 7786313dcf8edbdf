// Lease: everything about one request.
import { el, name, section, table, leaseLink, pathLink, claimMarks, link, ordinal, visible } from './dom.js'
import { ask } from './live.js'
import { moment, since, until } from './time.js'
import { events, end } from './happened.js'
import { releaseDialog } from './release.js'

export function open(root, parameters, app) {
  const id = parameters.get('id') ?? ''
  const act = el('button', { type: 'button', class: 'danger', hidden: true, text: 'Force release…', onclick: () => releaseDialog({ id }, app) })
  let over = true
  const allowed = () => { act.hidden = over || !app.may('force-release') }
  const body = el('div', {})
  root.append(el('div', { class: 'tools detail' }, el('h2', {}, el('span', { class: 'kind', text: 'Lease' }), name(id, 130)), act), body)
  let shown = ''
  return {
    title: 'Lease',
    allowed,
    async refresh() {
      const a = await ask('lease', { id })
      over = !a.lease || !['active', 'pending'].includes(a.lease.status)
      allowed()
      const state = JSON.stringify([a.lease, a.history, a.waits_for, a.waited_for_by, a.position])
      if (state !== shown) {
        shown = state
        body.replaceChildren(...parts(a))
      }
      return a
    },
  }
}

const ends = { timeout: 'timed out', cancelled: 'gave up', deadlock: 'ended as a deadlock', revoked: 'revoked', replaced: 'replaced', transferred: 'handed over', lapsed: 'its place lapsed', expired: 'expired', released: 'released' }

function parts(a) {
  const l = a.lease
  const all = []
  if (l) {
    all.push(section('State', facts(l, a)))
    all.push(section('Claims', table('Claims', [
      ['Path', (c) => el('span', { class: 'cell' }, pathLink(c.path, 160), ...claimMarks(c).filter(Boolean)), 'wide'],
      ['Mode', (c) => c.mode], ['Scope', (c) => c.scope],
    ], l.claims ?? [], 'None.')))
    const labels = Object.entries(l.labels ?? {})
    if (labels.length) all.push(section('Labels', table('Labels', [['Label', ([k]) => name(k, 100)], ['Value', ([, v]) => el('bdi', { class: 'long', text: visible(v) }), 'wide']], labels, '')))
  } else {
    all.push(el('p', { class: 'note', text: 'It has ended, and only the history still knows it.' }))
  }
  if (a.waits_for.length) all.push(section('Waits for', edges('Waits for', a.waits_for, 'to', 'blocker')))
  if (a.waited_for_by.length) all.push(section('Waited for by', edges('Waited for by', a.waited_for_by, 'from', 'waiter')))
  all.push(section('What happened', events('What happened', a.history.events, ['at', 'what', 'holder', 'note']), end(a.history)))
  return all
}

function edges(caption, list, who, which) {
  return table(caption, [
    ['Holder', (e) => link('now', { view: 'list', holder: e[who] }, name(e[who], 40))],
    ['over', (e) => el('span', { class: 'cell' }, pathLink(e.asked.path, 60), ...claimMarks(e.asked).filter(Boolean)), 'wide'],
    ['Request', (e) => leaseLink(e[which], name(e[which], 14))],
    ['Place', (e) => ordinal(e.position)],
    ['Waiting for', (e) => since(e.since), 'number'],
  ], list, '')
}

function facts(l, a) {
  const list = el('dl', { class: 'facts' })
  const fact = (term, ...value) => list.append(el('div', {}, el('dt', { text: term }), el('dd', {}, ...value)))
  const state = { active: 'Held', pending: `Waiting, ${ordinal(a.position || 1)} in line` }[l.status] ?? 'Ended: ' + (ends[l.end_reason] ?? l.status)
  fact('State', el('span', { class: 'status ' + l.status, text: state }))
  fact('Holder', link('now', { view: 'list', holder: l.holder }, name(l.holder, 260)))
  if (l.status === 'active') fact('Expires in', until(l.expires_at))
  if (l.status === 'active') fact('Held for', since(l.granted_at))
  if (l.status === 'pending') fact('Waiting for', since(l.created_at))
  fact('Asked for', moment(l.created_at))
  if (l.granted_at) fact('Granted', moment(l.granted_at))
  if (l.waited && l.waited !== '0s') fact('Waited', l.waited)
  if (l.status !== 'active' && l.status !== 'pending') fact('Ended', moment(l.updated_at))
  fact('TTL', l.ttl)
  fact('Renewals', String(l.renewals ?? 0) + (l.max_renewals > 0 ? ` of ${l.max_renewals}` : l.max_renewals === -2 ? ' (none allowed)' : ''))
  if (l.priority) fact('Priority', String(l.priority))
  if (l.distinct) fact('Distinct', 'its holder’s own other leases count against it too')
  if (l.parent) fact('Under the cover of', leaseLink(l.parent, name(l.parent, 40)))
  if (l.replaced) fact(l.status === 'pending' ? 'Would replace' : 'Replaced', leaseLink(l.replaced, name(l.replaced, 40)))
  if (l.replaced_by) fact('Replaced by', leaseLink(l.replaced_by, name(l.replaced_by, 40)))
  if (l.revoked?.actor) fact('Revoked by', name(l.revoked.actor, 260), l.revoked.reason ? ': ' : '', l.revoked.reason ? name(l.revoked.reason, 1100) : '')
  return list
}
