// Force release: what it will end is shown first, a reason is asked for, and
// exactly what was shown is ended.
import { el, table, plural, visible } from './dom.js'
import { ask, send } from './live.js'
import { columns } from './rows.js'

/** releaseDialog asks about what a query selects: {id}, {holder}, {path} or {under}. */
export function releaseDialog(query, app) {
  const reason = el('input', { id: 'reason', required: true, maxlength: '1000', autocomplete: 'off' })
  const what = el('div', { class: 'what-ends' }, el('p', { text: 'Looking…' }))
  const failure = el('p', { class: 'failure', role: 'alert', hidden: true })
  const act = el('button', { type: 'submit', class: 'danger', disabled: true, text: 'End' })
  const cancel = el('button', { type: 'button', text: 'Cancel', onclick: () => dialog.close() })
  let rows = []

  const form = el('form', { onsubmit: end },
    el('h2', { id: 'release-title', text: 'Force release' }),
    el('p', { text: 'The holders are not asked. They hear of it at their next renewal; what they do until then is not held back.' }),
    what,
    el('label', { for: 'reason', text: 'Reason (goes into the history)' }), reason, failure,
    el('div', { class: 'buttons' }, cancel, act))
  const dialog = el('dialog', { 'aria-labelledby': 'release-title', onclose: () => dialog.remove() }, form)
  document.body.append(dialog)
  dialog.showModal()
  reason.focus()
  look()

  function fail(text) {
    failure.textContent = visible(text)
    failure.hidden = false
  }

  async function look() {
    try {
      const answer = await ask('force-release', query)
      rows = answer.rows
      what.replaceChildren(table('What will be ended', [columns.path, columns.holder, columns.age, columns.crowd], rows, 'Nothing: it has ended by itself.'))
      if (answer.more) what.append(el('p', { text: 'There are more. They are left for a second time.' }))
      act.disabled = rows.length === 0
      act.textContent = rows.length === 0 ? 'End' : 'End ' + plural(rows.length, 'lease')
    } catch (error) {
      what.replaceChildren()
      fail(error.message)
    }
  }

  async function end(e) {
    e.preventDefault()
    act.disabled = true
    try {
      const answer = await send('force-release', { leases: rows.map(({ id, holder }) => ({ id, holder })), reason: reason.value })
      const early = rows.length - answer.ended.length
      if (answer.error) fail('Only in part: ' + answer.error.error)
      what.replaceChildren(el('p', { class: 'done', role: 'status', text: `Ended ${plural(answer.ended.length, 'lease')}.` + (early > 0 && !answer.error ? ` ${early} had ended before.` : '') }))
      reason.disabled = true
      act.hidden = true
      cancel.textContent = 'Close'
      cancel.focus()
      app.refresh()
    } catch (error) {
      act.disabled = false
      fail(error.message)
    }
  }
}
