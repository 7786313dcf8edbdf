// Now: who holds what and who waits, as a tree of paths or as a list.
import { el, plural, visible } from './dom.js'
import { ask } from './live.js'
import { Grid } from './grid.js'
import { cells } from './rows.js'
import { releaseDialog } from './release.js'

const states = [['all', 'All'], ['held', 'Held'], ['waiting', 'Waiting'], ['blocking', 'Blocking']]
const forms = [['tree', 'Tree'], ['list', 'List']]
const headings = [['path', 'Path'], ['holder', 'Holder'], ['since', 'For'], ['expires', 'Expires in'], ['waiters', 'In line']]

/** choice is a row of buttons of which one is pressed. */
export function choice(label, options, value, choose) {
  const group = el('div', { class: 'choice', role: 'group', 'aria-label': label })
  for (const [v, text] of options) {
    group.append(el('button', {
      type: 'button', 'aria-pressed': String(v === value), text,
      onclick: (e) => {
        for (const b of group.children) b.setAttribute('aria-pressed', String(b === e.currentTarget))
        choose(v)
      },
    }))
  }
  return group
}

/** search is a field that tells what is typed, when the typing pauses. */
export function search(value, placeholder, changed) {
  let timer
  return el('input', {
    type: 'search', class: 'search', value, placeholder, 'aria-label': placeholder, autocomplete: 'off', spellcheck: 'false',
    oninput: (e) => {
      clearTimeout(timer)
      timer = setTimeout(() => changed(e.target.value), 150)
    },
  })
}

export function open(root, parameters, app) {
  const opened = new Set()
  const shut = new Set()
  const want = {
    view: parameters.get('view') === 'list' ? 'list' : 'tree',
    q: parameters.get('q') ?? '', state: parameters.get('state') ?? 'all', holder: parameters.get('holder') ?? '',
    sort: parameters.get('sort') ?? 'path', order: parameters.get('order') ?? 'up',
  }
  const usual = { view: 'tree', q: '', state: 'all', holder: '', sort: 'path', order: 'up' }
  let grid

  const changed = () => {
    app.go('now', Object.fromEntries(Object.entries(want).filter(([k, v]) => v !== usual[k])))
    app.refresh()
  }
  const total = el('p', { class: 'total', role: 'status' })
  const chip = el('div', { class: 'chips' })
  const end = el('button', { type: 'button', class: 'danger', text: 'Force release…', onclick: () => releaseDialog({ holder: want.holder }, app) })
  const tools = el('div', { class: 'tools' },
    search(want.q, 'Filter by path, holder, label', (q) => { want.q = q; changed() }),
    choice('Show', states, want.state, (state) => { want.state = state; changed() }),
    choice('Form', forms, want.view, (view) => { want.view = view; build(); changed() }),
    chip, total)
  const place = el('div', { class: 'place' })
  root.append(el('h2', { class: 'hidden', text: 'Leases and waiters now' }), tools, place)

  function chips() {
    chip.replaceChildren()
    if (!want.holder) return
    chip.append(el('span', { class: 'chip' }, 'Holder ', el('bdi', { text: visible(want.holder) }),
      el('button', { type: 'button', 'aria-label': 'Show all holders', text: '×', onclick: () => { want.holder = ''; chips(); changed() } })))
    if (app.may('force-release')) chip.append(end)
  }

  function build() {
    grid?.close()
    const tree = want.view === 'tree'
    const head = el('div', { class: 'row head', role: 'row', 'aria-rowindex': '1' }, ...headings.map(([sort, text]) => heading(sort, text, tree)))
    grid = new Grid({
      label: tree ? 'Paths, who holds them and who waits' : 'Leases and waiters', role: tree ? 'treegrid' : 'table', head,
      read: (offset, limit) => ask('now', { ...want, offset, limit, open: [...opened], shut: [...shut] }),
      key: (r) => `${r.kind} ${r.id ?? ''} ${r.path}`,
      line: (r) => line(r, tree),
      act,
    })
    place.replaceChildren(grid.box)
  }

  function heading(sort, text, tree) {
    if (tree) return el('span', { role: 'columnheader', class: sort, text })
    const button = el('button', { type: 'button', class: 'sort', text })
    const e = el('span', { role: 'columnheader', class: sort, 'aria-sort': direction(sort) }, button)
    button.addEventListener('click', () => {
      want.order = want.sort === sort && want.order === 'up' ? 'down' : 'up'
      want.sort = sort
      for (const other of e.parentElement.children) other.setAttribute('aria-sort', 'none')
      e.setAttribute('aria-sort', direction(sort))
      changed()
    })
    return e
  }
  const direction = (sort) => (want.sort !== sort ? 'none' : want.order === 'up' ? 'ascending' : 'descending')

  function line(r, tree) {
    const dir = r.kind === 'dir'
    return el('div', {
      class: `row ${r.kind} ${r.mode}`, role: 'row',
      'aria-level': tree ? r.depth + 1 : null, 'aria-expanded': dir ? String(Boolean(r.open)) : null, 'data-id': r.id,
    }, ...cells(r, tree))
  }

  function toggle(r) {
    (r.open ? opened : shut).delete(r.path);
    (r.open ? shut : opened).add(r.path)
    app.refresh()
    grid.refresh().catch(() => {})
  }

  // act does what a click or a key on a line asks for, and says whether it did.
  function act(r, how) {
    if (r.kind === 'dir') {
      if (how === 'click' || how === 'Enter' || how === ' ' || (how === 'ArrowRight') === !r.open) toggle(r)
      else if (how === 'ArrowLeft') grid.toPrevious((up) => up.kind === 'dir' && up.depth < r.depth)
      return true
    }
    if (how === 'ArrowLeft') {
      grid.toPrevious((up) => up.kind === 'dir' && up.depth < r.depth)
      return true
    }
    if (how === 'Enter' || how === 'click') {
      location.hash = 'lease?' + new URLSearchParams({ id: r.id })
      return true
    }
    return false
  }

  build()
  chips()
  return {
    title: 'Now',
    allowed: chips,
    async refresh() {
      const answer = await grid.refresh()
      const none = want.q || want.holder || want.state !== 'all' ? 'Nothing matches.' : 'Nobody holds anything.'
      total.textContent = answer.total === 0 ? none : plural(answer.total, 'line')
      return answer
    },
    close: () => grid.close(),
  }
}
