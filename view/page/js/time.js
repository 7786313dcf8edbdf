// The store's time, and texts that follow it.
import { el } from './dom.js'

// The store's time minus this page's. A message is late by its way here, never
// early, so of the last few the one that is ahead is nearest to the truth.
const samples = []

/** sync takes the store's time from a message that has just arrived. */
export function sync(now) {
  const sample = Date.parse(now) - performance.now()
  if (!Number.isFinite(sample)) return
  if (samples.length > 0 && Math.abs(sample - samples.at(-1)) > 2000) samples.length = 0 // one of them slept
  samples.push(sample)
  if (samples.length > 8) samples.shift()
}

export const known = () => samples.length > 0
export const now = () => (known() ? Math.max(...samples) + performance.now() : Date.now())

/** duration is a length of time for people; milliseconds. */
export function duration(ms) {
  const s = Math.max(0, ms) / 1000
  if (s < 10) return s.toFixed(1) + 's'
  if (s < 60) return Math.floor(s) + 's'
  const m = Math.floor(s / 60)
  if (m < 60) return `${m}m ${Math.floor(s % 60)}s`
  const h = Math.floor(m / 60)
  if (h < 24) return `${h}h ${m % 60}m`
  return `${Math.floor(h / 24)}d ${h % 24}h`
}

export const seconds = (s) => duration(s * 1000)

const clockForm = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const dayForm = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', second: '2-digit' })

/** moment shows a point in time; the day only if it is not today. */
export function moment(text) {
  if (!text) return el('span', { class: 'none', text: '–' })
  const at = new Date(text)
  const today = at.toDateString() === new Date(now()).toDateString()
  return el('time', { datetime: text, title: text, text: (today ? clockForm : dayForm).format(at) })
}

export const clockText = (ms) => clockForm.format(new Date(ms))

/** since and until show a duration that goes on; tick moves all of them. */
export function since(text) {
  return moving({ datetime: text, title: text, 'data-since': Date.parse(text) })
}

export function until(text) {
  return moving({ datetime: text, title: text, 'data-until': Date.parse(text) })
}

function moving(properties) {
  const e = el('time', properties)
  move(e, now())
  return e
}

function move(e, at) {
  let text
  if (e.dataset.since) {
    text = duration(at - Number(e.dataset.since))
  } else {
    const left = Number(e.dataset.until) - at
    text = left > 0 ? duration(left) : 'expired'
    e.classList.toggle('over', left <= 0)
    e.classList.toggle('soon', left > 0 && left < 5000)
  }
  if (e.textContent !== text) e.textContent = text
}

/** tick moves everything that shows a duration to the present. */
export function tick() {
  const at = now()
  for (const e of document.querySelectorAll('time[data-since], time[data-until]')) move(e, at)
  for (const e of document.querySelectorAll('[data-end]')) {
    const share = (Number(e.dataset.end) - at) / Number(e.dataset.ttl)
    e.style.setProperty('--left', Math.max(0, Math.min(1, share)).toFixed(3))
  }
}
