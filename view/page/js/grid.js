// A list that is longer than anybody can see: only the lines in view exist.
import { el } from './dom.js'

const spare = 30 // lines beyond the view that are read as well

/**
 * Grid shows lines of the same height. read(offset, limit) returns
 * {total, offset, rows}, key(row) tells rows apart, line(row) fills one in.
 */
export class Grid {
  #from = 0 // of the lines that are here
  #rows = []
  #total = 0
  #active = '' // key of the line with the focus
  #activeAt = 0
  #height = 0
  #reading = null

  constructor({ label, role, head, read, line, key, act }) {
    Object.assign(this, { read, line, key, act })
    this.body = el('div', { class: 'lines', role: 'presentation' })
    this.box = el('div', { class: 'grid', role, 'aria-label': label, 'aria-readonly': role === 'treegrid' ? 'true' : null }, head, this.body)
    this.box.addEventListener('scroll', () => this.#scrolled(), { passive: true })
    this.box.addEventListener('keydown', (e) => this.#key(e))
    this.box.addEventListener('focusin', (e) => {
      const row = e.target.closest('[data-at]')
      if (row) this.#activate(Number(row.dataset.at))
    })
    this.resize = new ResizeObserver(() => this.#draw())
    this.resize.observe(this.box)
  }

  close() { this.resize.disconnect() }

  #view() {
    const height = this.#height || 34
    const first = Math.floor(this.box.scrollTop / height)
    return [first, Math.ceil(this.box.clientHeight / height) + 1]
  }

  /** refresh reads what is in view again. */
  async refresh() {
    const [first, count] = this.#view()
    const offset = Math.max(0, first - spare)
    const asked = (this.#reading = {})
    let answer
    try {
      answer = await this.read(offset, count + 2 * spare)
      if (asked !== this.#reading) return answer // a later question was faster
    } finally {
      if (asked === this.#reading) this.#reading = null
    }
    this.#from = offset
    this.#rows = answer.rows
    this.#total = answer.total
    const at = this.#rows.findIndex((r) => this.key(r) === this.#active)
    if (at >= 0) this.#activeAt = offset + at
    this.#activeAt = Math.max(0, Math.min(this.#activeAt, this.#total - 1))
    this.#draw()
    if (this.#view()[0] !== first) this.#scrolled() // while this was read
    return answer
  }

  #missing() {
    const [first, count] = this.#view()
    return first < this.#from || Math.min(first + count, this.#total) > this.#from + this.#rows.length
  }

  #scrolled() {
    cancelAnimationFrame(this.frame)
    this.frame = requestAnimationFrame(() => {
      if (this.#missing() && !this.#reading) this.refresh().catch(() => {})
      this.#draw()
    })
  }

  #draw() {
    const focused = this.body.contains(document.activeElement)
    const [first, count] = this.#view()
    const lines = []
    for (let at = Math.max(first, this.#from); at < Math.min(first + count, this.#from + this.#rows.length); at++) {
      lines.push(this.#row(at))
    }
    // The line with the focus stays, also when it is scrolled out of view.
    if (focused && !lines.some((l) => Number(l.dataset.at) === this.#activeAt) && this.#rows[this.#activeAt - this.#from]) {
      lines.push(this.#row(this.#activeAt))
    }
    if (lines.length > 0 && !lines.some((l) => l.tabIndex === 0)) lines[0].tabIndex = 0
    this.body.replaceChildren(...lines)
    if (lines.length > 0 && !this.#height) {
      this.#height = lines[0].getBoundingClientRect().height
      return this.#draw()
    }
    this.body.style.height = this.#total * this.#height + 'px'
    this.box.setAttribute('aria-rowcount', this.#total + 1)
    if (focused) this.#at(this.#activeAt)?.focus({ preventScroll: true })
  }

  #row(at) {
    const row = this.#rows[at - this.#from]
    const e = this.line(row)
    e.dataset.at = at
    e.setAttribute('aria-rowindex', at + 2)
    e.tabIndex = at === this.#activeAt ? 0 : -1
    e.style.transform = `translateY(${at * this.#height}px)`
    e.addEventListener('click', (click) => { if (!click.target.closest('a')) this.act(row, 'click', e) })
    return e
  }

  #at(at) { return this.body.querySelector(`[data-at="${at}"]`) }

  #activate(at) {
    this.#activeAt = at
    const row = this.#rows[at - this.#from]
    if (row) this.#active = this.key(row)
    for (const e of this.body.children) e.tabIndex = Number(e.dataset.at) === at ? 0 : -1
  }

  async #key(e) {
    if (e.target.closest('input, select, textarea') || e.altKey || e.ctrlKey || e.metaKey) return
    const [, count] = this.#view()
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: count - 2, PageUp: 2 - count, Home: -this.#total, End: this.#total }
    if (e.key in steps && e.target.closest('[data-at]')) {
      e.preventDefault()
      await this.#move(this.#activeAt + steps[e.key])
      return
    }
    const row = this.#rows[this.#activeAt - this.#from]
    if (row && e.target.dataset.at && ['Enter', 'ArrowRight', 'ArrowLeft', ' '].includes(e.key)) {
      if (this.act(row, e.key, e.target)) e.preventDefault()
    }
  }

  /** toPrevious moves the focus up to the first line that passes. */
  toPrevious(pass) {
    for (let at = this.#activeAt - 1; at >= this.#from; at--) {
      if (pass(this.#rows[at - this.#from])) return this.#move(at)
    }
  }

  async #move(to) {
    const at = Math.max(0, Math.min(to, this.#total - 1))
    const [first, count] = this.#view()
    const top = this.box.firstElementChild?.offsetHeight ?? 0
    if (at < first + 1) this.box.scrollTop = Math.max(0, (at - 1) * this.#height)
    if (at > first + count - 3) this.box.scrollTop = (at + 2) * this.#height - this.box.clientHeight + top
    this.#activeAt = at
    this.#active = ''
    if (!this.#rows[at - this.#from]) await this.refresh()
    this.#activate(at)
    this.#draw()
    this.#at(at)?.focus({ preventScroll: true })
  }
}
