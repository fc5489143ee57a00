import { ask, Refusal } from './api.js'
import { h } from './element.js'
import { notify } from './notice.js'

/**
 * Sends a request for a person and shows its outcome as a notice.
 *
 * @param {string} method
 * @param {string} path
 * @param {string} done the notice after success
 * @param {unknown} [json]
 * @returns {Promise<boolean>} true on success
 */
export async function act(method, path, done, json) {
  try {
    await ask(method, path, json)
    notify(done)
    return true
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    notify(error.message, 'bad')
    return false
  }
}

/**
 * A button that ignores clicks while its action runs.
 *
 * @param {string} label
 * @param {() => Promise<unknown>} run
 * @param {import('./element.js').Props} [props]
 */
export function button(label, run, props = {}) {
  const onclick = async (/** @type {MouseEvent} */ event) => {
    const pressed = /** @type {HTMLButtonElement} */ (event.currentTarget)
    if (pressed.ariaBusy === 'true') return
    pressed.ariaBusy = 'true'
    try {
      await run()
    } finally {
      pressed.ariaBusy = null
    }
  }
  return h('button', { type: 'button', ...props, onclick }, label)
}

/**
 * Asks for confirmation of an action that cannot be undone.
 *
 * @param {string} question
 * @param {string} label of the confirming button
 * @returns {Promise<boolean>}
 */
export async function confirmed(question, label) {
  const yes = h('button', { class: 'danger', value: 'yes' }, label)
  const no = h('button', { value: 'no', autofocus: true }, 'Cancel')
  return (await answerTo(question, null, [no, yes])) === 'yes'
}

/**
 * Asks for one of several values.
 *
 * @param {string} question
 * @param {string[]} values
 * @param {string} label of the confirming button
 * @returns {Promise<string | null>} null: cancelled
 */
export async function chosen(question, values, label) {
  const options = values.map((one) => h('option', { value: one }, one))
  const select = /** @type {HTMLSelectElement} */ (
    h('select', { 'aria-labelledby': 'question', autofocus: true }, options)
  )
  const no = h('button', { value: 'no' }, 'Cancel')
  const yes = h('button', { class: 'main', value: 'yes' }, label)
  return (await answerTo(question, select, [no, yes])) === 'yes' ? select.value : null
}

/**
 * @param {string} question
 * @param {HTMLElement | null} field
 * @param {HTMLElement[]} buttons each with a value
 * @returns {Promise<string>} the value of the pressed button; empty after Escape
 */
function answerTo(question, field, buttons) {
  const dialog = /** @type {HTMLDialogElement} */ (
    h(
      'dialog',
      { 'aria-labelledby': 'question' },
      h(
        'form',
        { method: 'dialog' },
        h('p', { id: 'question' }, question),
        field,
        h('div', { class: 'actions' }, buttons),
      ),
    )
  )
  document.body.append(dialog)
  dialog.showModal()
  return new Promise((resolve) => {
    dialog.onclose = () => {
      resolve(dialog.returnValue)
      dialog.remove()
    }
  })
}
