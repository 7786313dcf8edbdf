// Waits: who waits for whom; deadlocks first, then the longest chain.
import { el, name, table, leaseLink, pathLink, claimMarks, ordinal, plural, link } from './dom.js'
import { ask } from './live.js'
import { since, duration, now } from './time.js'
import { picture } from './picture.js'

const page = 20

export function open(root, parameters, app) {
  let limit = page
  const summary = el('p', { class: 'total', role: 'status' })
  const groups = el('div', { class: 'groups' })
  const more = el('button', { type: 'button', hidden: true, text: 'More', onclick: () => { limit = Math.min(limit + page, 100); app.refresh() } })
  root.append(el('div', { class: 'tools' }, el('h2', { text: 'Who waits for whom' }), summary), groups, more)
  let shown = ''

  return {
    title: 'Waits',
    async refresh() {
      const answer = await ask('waits', { limit })
      badge(answer.deadlocks)
      const text = [plural(answer.pending, 'waiter'), 'in ' + plural(answer.total, 'group')]
      if (answer.deadlocks) text.push(plural(answer.deadlocks, 'deadlock'))
      summary.textContent = answer.total === 0 ? '' : text.join(', ') + (answer.truncated ? '; there is more than could be compared' : '')
      // What has not changed is left alone, so that nobody loses their place.
      const state = JSON.stringify(answer.groups)
      if (state !== shown) {
        shown = state
        const y = scrollY
        groups.replaceChildren(...answer.groups.map(card))
        if (answer.total === 0) groups.append(el('p', { class: 'empty', text: 'Nobody waits.' }))
        scrollTo(0, y)
      }
      more.hidden = answer.total <= limit || limit >= 100
      return answer
    },
  }
}

export function badge(deadlocks) {
  const e = document.getElementById('deadlocks')
  e.hidden = !deadlocks
  const [count, word] = plural(deadlocks, 'deadlock').split(' ')
  e.replaceChildren(count, el('span', { class: 'word', text: ' ' + word }))
}

function card(group) {
  const waited = el('span', {}, 'longest wait ', since(group.since))
  const heading = group.cycle
    ? el('h3', {}, el('span', { class: 'tag bad', text: 'Deadlock' }), ' ', ...list(group.nodes.filter((n) => n.cycle).map((n) => n.holder)), ' wait for each other')
    : el('h3', {}, group.depth > 1 ? `Chain of ${group.depth}` : 'For ', ...(group.depth > 1 ? [', up to '] : []), ...list(group.nodes.filter((n) => n.depth === 0).map((n) => n.holder)))
  return el('article', { class: 'card' + (group.cycle ? ' cycle' : '') },
    el('header', {}, heading, el('p', { class: 'meta' }, plural(group.waiting, 'waiter') + ', ', waited)),
    picture(group),
    table('Who waits for whom', [
      ['Who', (e) => el('span', { class: 'cell' }, holderLink(e.from), e.cycle ? el('span', { class: 'tag bad', text: 'deadlock' }) : null)],
      ['waits for', (e) => el('span', { class: 'cell' }, holderLink(e.to), e.more ? el('span', { class: 'more', title: 'further leases of it', text: '+' + e.more }) : null)],
      ['over', (e) => el('span', { class: 'cell' }, pathLink(e.asked.path, 48), ...claimMarks(e.asked).filter(Boolean)), 'wide'],
      ['which', (e) => el('span', { class: 'cell' }, leaseLink(e.blocker, e.queue ? 'is asked for earlier' : 'is held'), e.held.path === e.asked.path ? null : [' as ', name(e.held.path, 40)], ...claimMarks(e.held).filter(Boolean))],
      ['Place', (e) => leaseLink(e.waiter, ordinal(e.position))],
      ['Waiting for', (e) => since(e.since), 'number'],
    ], group.edges, ''),
    group.blocked > group.edges.length ? el('p', { class: 'note', text: `The first ${group.edges.length} of ${group.blocked}.` }) : '')
}

const holderLink = (holder) => link('now', { view: 'list', holder }, name(holder, 40))

function list(holders) {
  const most = 4
  const parts = holders.slice(0, most).flatMap((h, i) => (i ? [', ', name(h, 30)] : [name(h, 30)]))
  if (holders.length > most) parts.push(` and ${holders.length - most} more`)
  return parts
}

/** waited is a text for how long a wait has lasted. */
export const waited = (text) => duration(now() - Date.parse(text))
