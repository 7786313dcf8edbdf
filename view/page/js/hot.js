// Hot: what is waited for most, and what lasts longest.
import { el, section, table, pathLink, link, name } from './dom.js'
import { ask } from './live.js'
import { seconds, moment, since } from './time.js'
import { columns } from './rows.js'

export function open(root) {
  const from = el('span', {})
  const parts = el('div', { class: 'columns' })
  root.append(el('div', { class: 'tools' }, el('h2', { text: 'Most contended' }), el('p', { class: 'total' }, 'Waits counted since ', from)), parts)
  return {
    title: 'Hot',
    async refresh() {
      const a = await ask('hot')
      from.replaceChildren(moment(a.from))
      parts.replaceChildren(
        section('Paths waited for longest', table('Paths waited for longest', [
          ['Path', (p) => pathLink(p.path, 50), 'wide'],
          ['Waited in all', (p) => seconds(p.wait_seconds), 'number'],
          ['Longest', (p) => seconds(p.longest_seconds), 'number'],
          ['Waits', (p) => String(p.waits), 'number'],
          ['Gave up', (p) => (p.gave_up ? String(p.gave_up) : '–'), 'number'],
          ['Waiting now', (p) => (p.waiting ? el('span', { class: 'crowd', text: String(p.waiting) }) : '–'), 'number'],
        ], a.paths, 'Nobody had to wait.')),
        section('Longest waits now', table('Longest waits now', [columns.path, columns.holder, columns.waited, columns.crowd], a.waits, 'Nobody waits.')),
        section('Longest holds now', table('Longest holds now', [columns.path, columns.holder, columns.held, columns.expires, columns.crowd], a.holds, 'Nobody holds anything.')),
        section('Holders that others wait for', table('Holders that others wait for', [
          ['Holder', (b) => link('now', { view: 'list', holder: b.holder }, name(b.holder, 40)), 'wide'],
          ['Blocks', (b) => (b.blocks ? el('span', { class: 'crowd', text: String(b.blocks) }) : '–'), 'number'],
          ['Holds', (b) => String(b.held), 'number'],
          ['Waits', (b) => (b.waiting ? String(b.waiting) : '–'), 'number'],
          ['Oldest lease', (b) => (b.held ? since(b.since) : '–'), 'number'],
        ], a.holders, 'Nobody holds anything.')))
      return a
    },
  }
}
