// The connection to the server: questions, and the stream of changes.
import { sync } from './time.js'

/** Failure is an answer that is an error, with the server's code for it. */
export class Failure extends Error {
  constructor(code, message) {
    super(message)
    this.code = code
  }
}

// Milliseconds to wait for an answer: three times as long as the one before took,
// and longer after each that did not come.
const patienceRange = [4_000, 30_000]
let patience = patienceRange[0]
let abandoned = new AbortController()

// abandon ends the questions that are under way: their connection is dead.
function abandon() {
  abandoned.abort()
  abandoned = new AbortController()
}

/** ask reads an answer of the server. Addresses are relative: any prefix will do. */
export async function ask(path, parameters = {}, options = {}) {
  const query = new URLSearchParams()
  for (const [k, v] of Object.entries(parameters)) {
    for (const one of [v].flat()) if (one !== '' && one !== null && one !== undefined) query.append(k, one)
  }
  const text = query.toString()
  // A question over a connection that is dead without a sign would wait for ever.
  const asked = performance.now()
  const signal = AbortSignal.any([abandoned.signal, AbortSignal.timeout(patience)])
  let response
  let body
  try {
    response = await fetch('api/' + path + (text ? '?' + text : ''), { signal, ...options })
    body = await response.json().catch((error) => {
      if (signal.aborted) throw error
      return { code: 'internal', error: `The server answered ${response.status}.` }
    })
    patience = Math.min(Math.max(3 * (performance.now() - asked), patienceRange[0]), patienceRange[1])
  } catch {
    patience = Math.min(2 * patience, patienceRange[1])
    throw new Failure('offline', 'The server does not answer.')
  }
  if (!response.ok) throw new Failure(body.code ?? 'internal', body.error ?? String(response.status))
  if (body.now) sync(body.now)
  return body
}

/** send changes something. */
export function send(path, body) {
  return ask(path, {}, { signal: AbortSignal.timeout(patienceRange[1]), method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) })
}

/**
 * Live follows the stream. It resumes after the last event it has seen, also
 * after the page slept or the server was restarted.
 */
export class Live extends EventTarget {
  state = 'connecting'
  version = 0
  away = null
  #last = ''
  #source = null
  #heard = 0
  #heartbeat = 10_000
  #retry = 500
  #timer = 0
  #rest = 0

  start() {
    this.#connect()
    setInterval(() => this.#check(2.5), 1000)
    document.addEventListener('visibilitychange', () => this.#seen())
    document.addEventListener('resume', () => this.#seen())
    addEventListener('online', () => this.#again(0))
    addEventListener('pageshow', (e) => { if (e.persisted) this.#again(0) })
  }

  #connect() {
    clearTimeout(this.#timer)
    this.#source?.close()
    this.#heard = performance.now()
    const source = new EventSource('api/stream' + (this.#last ? '?after=' + this.#last : ''))
    this.#source = source
    source.onmessage = (e) => { if (source === this.#source) this.#receive(e) }
    source.onerror = () => { if (source === this.#source) this.#again(this.#retry) }
  }

  // A browser has six connections to a server over HTTP/1.1, for all its tabs
  // together: those that nobody looks at give theirs back, and resume later.
  #seen() {
    clearTimeout(this.#rest)
    if (document.hidden) {
      this.#rest = setTimeout(() => {
        this.#source?.close()
        this.#source = null
        clearTimeout(this.#timer)
      }, 5000)
    } else if (this.#source) {
      this.#check(1.2)
    } else {
      this.#again(0)
    }
  }

  // A connection that only seems to live: its other end is gone, or this page slept.
  #check(times) {
    if (!this.#source || performance.now() - this.#heard <= times * this.#heartbeat) return
    abandon()
    this.#again(0)
  }

  #again(pause) {
    this.#source?.close()
    this.#source = null
    this.#to('connecting')
    clearTimeout(this.#timer)
    if (document.hidden && pause > 0) return
    this.#timer = setTimeout(() => this.#connect(), pause * (1 + Math.random()))
    this.#retry = Math.min(this.#retry * 2, 5000)
  }

  #receive(e) {
    const message = JSON.parse(e.data)
    this.#heard = performance.now()
    this.#retry = 500
    if (e.lastEventId) this.#last = e.lastEventId
    if (message.heartbeat_seconds) this.#heartbeat = message.heartbeat_seconds * 1000
    sync(message.now)
    this.away = message.away ?? null
    this.error = message.error ?? ''
    this.#to(message.error ? 'away' : 'live')
    const changed = message.version !== this.version
    this.version = message.version
    this.dispatchEvent(new CustomEvent('message', { detail: message }))
    if (changed || message.gap) this.dispatchEvent(new Event('change'))
  }

  #to(state) {
    if (this.state === state) return
    this.state = state
    this.dispatchEvent(new Event('state'))
  }
}
