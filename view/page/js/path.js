// Path: who covers a path now, and what happened to it.
import { el, name, section, table, plural, link } from './dom.js'
import { ask } from './live.js'
import { columns } from './rows.js'
import { events, end } from './happened.js'
import { releaseDialog } from './release.js'

export function open(root, parameters, app) {
  const path = parameters.get('path') ?? '/'
  const act = el('button', { type: 'button', class: 'danger', hidden: true, text: 'Force release…', onclick: () => releaseDialog({ path }, app) })
  const allowed = () => { act.hidden = !app.may('force-release') }
  const body = el('div', {})
  root.append(el('div', { class: 'tools detail' }, el('h2', {}, el('span', { class: 'kind', text: 'Path' }), name(path, 300)), act), body)
  allowed()
  let shown = ''
  return {
    title: 'Path',
    allowed,
    async refresh() {
      const a = await ask('path', { path })
      const state = JSON.stringify([a.rows, a.history, a.held_below, a.waiting_below])
      if (state === shown) return a
      shown = state
      const below = [a.held_below ? plural(a.held_below, 'claim') + ' held' : '', a.waiting_below ? plural(a.waiting_below, 'claim') + ' waited for' : ''].filter(Boolean).join(', ')
      body.replaceChildren(
        section('Now', table('Who covers this path now', [columns.path, columns.holder, columns.age, columns.expires, columns.crowd, columns.lease], a.rows, 'Free: no lease covers it, and nobody waits for it.'),
          a.more ? el('p', { class: 'note', text: `and ${a.more} more` }) : '',
          below ? el('p', { class: 'note' }, 'Below it: ', link('now', { q: path }, below)) : ''),
        section('What happened', events('What happened to this path', a.history.events, ['at', 'what', 'holder', 'path', 'lease', 'note']), end(a.history)))
      return a
    },
  }
}
