// Timeline: what each holder waited for and held in the last minutes.
import { el, name, visible, short, link, address, plural } from './dom.js'
import { ask } from './live.js'
import { now, duration, clockText } from './time.js'
import { choice, search } from './now.js'
import { events } from './happened.js'

const zooms = [[60, '1 min'], [300, '5 min'], [900, '15 min'], [3600, '1 h']]
const ended = { revoked: 'revoked', expired: 'expired', deadlock: 'deadlock', timeout: 'timed out', cancelled: 'gave up', lapsed: 'lapsed', replaced: 'replaced', transferred: 'handed over', released: 'released' }
const mostTracks = 6

export function open(root, parameters, app) {
  const want = { seconds: Number(parameters.get('seconds')) || 300, q: parameters.get('q') ?? '' }
  const changed = () => {
    app.go('timeline', want.q ? want : { seconds: want.seconds })
    app.refresh()
  }
  const total = el('p', { class: 'total', role: 'status' })
  const axis = el('div', { class: 'axis', 'aria-hidden': 'true' })
  const lanes = el('div', { class: 'lanes' })
  const log = el('div', {})
  root.append(
    el('h2', { class: 'hidden', text: 'The last minutes' }),
    el('div', { class: 'tools' },
      search(want.q, 'Filter by holder, path, label', (q) => { want.q = q; changed() }),
      choice('Zoom', zooms, want.seconds, (seconds) => { want.seconds = seconds; changed() }),
      el('p', { class: 'legend' }, el('span', { class: 'key wait', text: 'waits' }), el('span', { class: 'key hold', text: 'holds' }), el('span', { class: 'key shared', text: 'shares' }), el('span', { class: 'key bad', text: 'ended by force, time or deadlock' })),
      total),
    el('div', { class: 'timeline' }, axis, lanes),
    el('section', { class: 'part' }, el('h2', { text: 'Latest events' }), log))
  let state = ''
  const timer = setInterval(slide, 500)

  // Everything moves left as time goes on, between two answers too.
  function slide() {
    const to = now()
    const span = want.seconds * 1000
    const share = (ms) => Math.max(0, Math.min(1, (ms - (to - span)) / span))
    for (const bar of lanes.querySelectorAll('.bar')) {
      const { created, granted, done } = bar.dataset
      const end = share(done ? Number(done) : to)
      const begin = share(Number(created))
      const grant = granted ? share(Number(granted)) : end
      bar.hidden = end <= 0
      bar.style.left = begin * 100 + '%'
      bar.style.width = Math.max(0, end - begin) * 100 + '%'
      bar.style.setProperty('--waited', end > begin ? ((grant - begin) / (end - begin)) * 100 + '%' : '0%')
    }
    const marks = 5
    axis.replaceChildren(...Array.from({ length: marks + 1 }, (_, i) => {
      const e = el('span', { text: i === marks ? 'now' : clockText(to - span * (1 - i / marks)) })
      e.style.left = (i / marks) * 100 + '%'
      return e
    }))
    const unknown = lanes.querySelector('.unknown')
    if (unknown) unknown.style.width = `calc((100% - var(--label)) * ${share(Number(unknown.dataset.until))})`
  }

  return {
    title: 'Timeline',
    async refresh() {
      const [answer, latest] = await Promise.all([ask('timeline', want), ask('events', { limit: 30, q: want.q })])
      total.textContent = answer.history_off ? 'The history is off: what has ended is not known.' : answer.total > answer.lanes.length ? `${answer.lanes.length} of ${plural(answer.total, 'holder')}` : plural(answer.total, 'holder')
      const next = JSON.stringify([answer.lanes, answer.known])
      if (next !== state) {
        state = next
        lanes.replaceChildren(...answer.lanes.map(lane))
        if (answer.lanes.length === 0) lanes.append(el('p', { class: 'empty', text: 'Nobody held or waited for anything.' }))
        if (answer.known && answer.lanes.length) lanes.prepend(el('div', { class: 'unknown', 'data-until': Date.parse(answer.known), title: 'What ended before is not known here' }))
      }
      slide()
      log.replaceChildren(events('Latest events', latest.events, ['at', 'what', 'holder', 'path', 'note']))
      return answer
    },
    close: () => clearInterval(timer),
  }
}

function lane(l) {
  const tracks = [] // when each ends
  const bars = [...l.bars].sort((a, b) => Date.parse(a.created_at) - Date.parse(b.created_at)).map((b) => {
    const begin = Date.parse(b.created_at)
    let track = tracks.findIndex((end) => end <= begin)
    if (track < 0) track = tracks.length < mostTracks ? tracks.length : mostTracks - 1
    tracks[track] = b.ended_at ? Date.parse(b.ended_at) : Infinity
    return bar(b, track)
  })
  const line = el('div', { class: 'bars', role: 'list' }, ...bars)
  line.style.setProperty('--tracks', Math.max(1, tracks.length))
  return el('div', { class: 'lane' },
    el('h3', {}, link('now', { view: 'list', holder: l.holder }, name(l.holder, 40)), l.more ? el('span', { class: 'more', title: 'older ones, left out', text: '+' + l.more }) : null), line)
}

function bar(b, track) {
  const created = Date.parse(b.created_at)
  const granted = b.granted_at ? Date.parse(b.granted_at) : null
  const done = b.ended_at ? Date.parse(b.ended_at) : null
  const bad = ['revoked', 'expired', 'deadlock', 'lapsed'].includes(b.why)
  const parts = []
  if (granted === null || granted > created) parts.push((granted === null && done === null ? 'waits' : 'waited ' + duration((granted ?? done) - created)))
  if (granted !== null) parts.push(done === null ? 'holds' : 'held ' + duration(done - granted))
  if (b.why) parts.push(ended[b.why] ?? b.why)
  const text = `${visible(short(b.path, 80))}${b.claims > 1 ? ` and ${b.claims - 1} more` : ''}: ${parts.join(', ')}`
  const a = el('a', {
    href: address('lease', { id: b.id }), class: `bar ${b.mode}${bad ? ' bad' : ''}`, title: text, 'aria-label': text,
    'data-created': created, 'data-granted': granted, 'data-done': done,
  })
  a.style.setProperty('--track', track)
  return el('div', { role: 'listitem', class: 'item' }, a)
}
