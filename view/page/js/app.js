// The frame of the page: which part is shown, and when it is read again.
import { el, visible } from './dom.js'
import { Live, Failure } from './live.js'
import * as time from './time.js'

const pages = {
  now: () => import('./now.js'),
  waits: () => import('./waits.js'),
  timeline: () => import('./timeline.js'),
  hot: () => import('./hot.js'),
  path: () => import('./path.js'),
  lease: () => import('./lease.js'),
  config: () => import('./config.js'),
}

const live = new Live()
const main = document.getElementById('main-content')
const title = document.title
let current = null // the part that is shown
let may = [] // the actions that the server allows

/** app is what a part may use. */
const app = {
  live,
  may: (action) => may.includes(action),
  /** go changes the parameters of the address, in place. */
  go(page, parameters) {
    const query = new URLSearchParams(parameters).toString()
    history.replaceState(null, '', '#' + page + (query ? '?' + query : ''))
  },
  /** counted shows the numbers that come with each answer. */
  counted(answer) {
    document.getElementById('active').textContent = answer.active.toLocaleString('en')
    document.getElementById('pending').textContent = answer.pending.toLocaleString('en')
    incomplete = answer.incomplete ?? false
    notice()
  },
  refresh: () => refresh(),
}
let incomplete = false

function address() {
  const [page, query] = location.hash.slice(1).split('?', 2)
  return [page in pages ? page : 'now', new URLSearchParams(query ?? '')]
}

async function route() {
  if (location.hash === '#main-content') return
  const [page, parameters] = address()
  const first = current === null
  current?.close?.()
  const mine = (current = { page })
  const module = await pages[page]()
  if (current !== mine) return
  main.replaceChildren()
  main.dataset.page = page
  for (const a of document.querySelectorAll('nav a')) {
    if (a.dataset.page === page) a.setAttribute('aria-current', 'page')
    else a.removeAttribute('aria-current')
  }
  current = { page, ...module.open(main, parameters, app) }
  document.title = `${current.title ?? page} · ${title}`
  if (!first) main.focus({ preventScroll: true })
  await refresh()
}

// One question at a time, and a pause between them: a busy store changes more
// often than anybody can look.
const pause = 150
let asking = false
let again = false
let shownVersion = 0

async function refresh() {
  if (asking || document.hidden) {
    again = true
    return
  }
  asking = true
  again = false
  const asked = current
  const began = performance.now()
  let rest = pause
  try {
    const answer = await asked.refresh?.()
    if (asked === current && answer) {
      app.counted(answer)
      shownVersion = answer.version
      main.querySelector(':scope > .failure')?.remove()
    }
  } catch (error) {
    if (asked === current) fail(error)
    if (['offline', 'unavailable', 'closed'].includes(error.code)) {
      again = true
      rest = 1000
    }
  }
  // Slow answers are asked for less often.
  rest = Math.max(rest, 2 * Math.min(performance.now() - began, 5000))
  setTimeout(() => {
    asking = false
    if (again || shownVersion < live.version) refresh()
  }, rest)
}

function fail(error) {
  if (!(error instanceof Failure)) console.error(error)
  const text = { offline: 'The server does not answer. Trying again.', not_found: 'Not found: it never was, or its end is no longer remembered.' }[error.code]
  main.querySelector(':scope > .failure')?.remove()
  main.prepend(el('p', { class: 'failure', role: 'alert', text: visible(text ?? error.message) }))
}

const states = { live: 'Live', connecting: 'Reconnecting', away: 'Store away' }

function notice() {
  const e = document.getElementById('notice')
  let text = ''
  if (live.state === 'away') {
    text = 'The store does not answer' + (live.away ? ' since ' + time.clockText(Date.parse(live.away)) : '') + '. What you see is as of then. ' + visible(live.error)
  } else if (incomplete) {
    text = 'There are more leases than this page keeps; the oldest are shown.'
  }
  if (e.textContent !== text) e.textContent = text
  e.hidden = text === ''
}

live.addEventListener('state', () => {
  const e = document.getElementById('live')
  e.dataset.state = live.state
  e.textContent = states[live.state]
  notice()
})
live.addEventListener('message', ({ detail }) => {
  if (!detail.heartbeat_seconds) return
  may = detail.may ?? []
  current?.allowed?.()
})
live.addEventListener('change', () => { if (shownVersion !== live.version) refresh() })
document.addEventListener('visibilitychange', () => { if (!document.hidden) refresh() })
addEventListener('hashchange', route)
document.getElementById('skip').addEventListener('click', (e) => {
  e.preventDefault()
  main.focus()
})

setInterval(() => {
  if (document.hidden) return
  time.tick()
  if (time.known()) document.getElementById('clock').textContent = time.clockText(time.now())
}, 250)

route()
live.start()
