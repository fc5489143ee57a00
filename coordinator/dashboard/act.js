import { ask, Refusal } from './api.js'
import { h } from './element.js'
import { say } from './notice.js'

/** What a person does with jobs and workers: ask where it cannot be undone, do it, say what came of it. */

/**
 * @param {string} method
 * @param {string} path
 * @param {string} done what is said when it has worked
 * @param {unknown} [json]
 * @returns {Promise<boolean>} whether it has worked
 */
export async function act(method, path, done, json) {
  try {
    await ask(method, path, json)
    say(done)
    return true
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    say(error.message, 'bad')
    return false
  }
}

/**
 * A button that does something and cannot be pressed while it does.
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
 * Asks before what cannot be undone.
 *
 * @param {string} question
 * @param {string} label of the button that does it
 * @returns {Promise<boolean>}
 */
export async function confirmed(question, label) {
  const yes = h('button', { class: 'danger', value: 'yes' }, label)
  const no = h('button', { value: 'no', autofocus: true }, 'Keep it')
  return (await answerTo(question, null, [no, yes])) === 'yes'
}

/**
 * Asks which of some.
 *
 * @param {string} question
 * @param {string[]} values
 * @param {string} label of the button that does it
 * @returns {Promise<string | null>} null: none
 */
export async function chosen(question, values, label) {
  const options = values.map((one) => h('option', { value: one }, one))
  const select = /** @type {HTMLSelectElement} */ (
    h('select', { 'aria-labelledby': 'question', autofocus: true }, options)
  )
  const no = h('button', { value: 'no' }, 'Leave it')
  const yes = h('button', { class: 'main', value: 'yes' }, label)
  return (await answerTo(question, select, [no, yes])) === 'yes' ? select.value : null
}

/**
 * @param {string} question
 * @param {HTMLElement | null} field
 * @param {HTMLElement[]} buttons each with a value
 * @returns {Promise<string>} that of the button; empty: it was put away
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
