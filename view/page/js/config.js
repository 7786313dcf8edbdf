// Config: what is set, by whom and when; and, if allowed, changes of it.
import { el, visible } from './dom.js'
import { ask, send } from './live.js'
import { moment } from './time.js'
import { note } from './happened.js'

const about = {
  default_ttl: 'TTL of a request without one',
  keep_ttl: 'TTL of what is kept renewed and names none',
  max_ttl: 'longest TTL that may be asked for; 0s: no cap of its own',
  max_renewals: 'renewals of a request that names none; -1: unlimited, -2: none',
  acquire_timeout: 'how long a request waits that names no time; -1ns: until it is cancelled',
  waiter_ttl: 'how long a waiter keeps its place without asking again',
  sweep_interval: 'how often each process cleans up',
  auto_sweep: 'whether processes clean up by themselves',
  blocking: 'whether requests may wait in line',
  history: 'whether events are recorded; without, this page reads everything each second',
  history_renewals: 'whether renewals are recorded, too',
  history_retention: 'how long events are kept; 0s: for ever',
  history_max_events: 'how many events are kept; 0: as the store has it',
  ended_retention: 'how long what has ended is still known by its ID',
  ended_max: 'how many ended ones are known at most',
  priority_boost: 'head start in line for each step of priority',
  deadlock_check: 'whether deadlocks are looked for',
  max_leases_per_holder: 'leases and waiters of one holder; 0: no limit',
}

export function open(root, parameters, app) {
  const when = el('p', { class: 'total' })
  const form = el('form', { class: 'settings', onsubmit: save })
  const failure = el('p', { class: 'failure', role: 'alert', hidden: true })
  root.append(el('div', { class: 'tools' }, el('h2', { text: 'Configuration' }), when), form)
  let config = null
  let may = false

  function build() {
    const rows = Object.entries(config).filter(([k]) => k !== 'version').map(([k, v]) => el('div', { class: 'setting' },
      may ? el('label', { for: 'set-' + k, text: k }) : el('span', { class: 'key', text: k }),
      may ? field(k, v) : el('span', { class: 'value', text: typeof v === 'boolean' ? (v ? 'on' : 'off') : String(v) }),
      el('span', { class: 'about', id: 'about-' + k, text: about[k] ?? '' })))
    form.replaceChildren(...rows)
    if (may) form.append(failure, el('div', { class: 'buttons' }, el('button', { type: 'submit', class: 'main', text: 'Save' })))
  }

  function field(k, v) {
    const common = { id: 'set-' + k, name: k, 'aria-describedby': 'about-' + k }
    if (typeof v === 'boolean') return el('input', { ...common, type: 'checkbox', checked: v })
    if (typeof v === 'number') return el('input', { ...common, type: 'number', step: '1', value: v, required: true })
    return el('input', { ...common, type: 'text', value: v, required: true, spellcheck: 'false', autocomplete: 'off' })
  }

  // What is in the fields, if it differs from what was read.
  function edits() {
    const changed = {}
    for (const input of form.querySelectorAll('input')) {
      const was = config[input.name]
      const is = input.type === 'checkbox' ? input.checked : input.type === 'number' ? Number(input.value) : input.value.trim()
      if (is !== was) changed[input.name] = is
    }
    return changed
  }

  async function save(e) {
    e.preventDefault()
    failure.hidden = true
    const changed = edits()
    if (Object.keys(changed).length === 0) return
    try {
      config = await send('config', { ...changed, version: config.version })
      build()
      app.refresh()
    } catch (error) {
      failure.textContent = error.code === 'version' ? 'Somebody else changed it meanwhile. Reload the page to see it.' : visible(error.message)
      failure.hidden = false
    }
  }

  return {
    title: 'Config',
    async refresh() {
      const a = await ask('config')
      const allowed = a.may.includes('set-config')
      when.replaceChildren(`Version ${a.config.version}`)
      if (a.changed) when.append(', set ', moment(a.changed.at), ' ', note(a.changed))
      else if (a.config.version === 1) when.append(', as it was at first')
      const edited = config && may && Object.keys(edits()).length > 0
      if (config === null || allowed !== may || (a.config.version !== config.version && !edited)) {
        config = a.config
        may = allowed
        build()
      }
      return a
    },
  }
}
