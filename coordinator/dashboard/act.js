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
export function confirmed(question, label) {
  const yes = h('button', { class: 'danger', value: 'yes' }, label)
  const no = h('button', { value: 'no', autofocus: true }, 'Keep it')
  const dialog = /** @type {HTMLDialogElement} */ (
    h(
      'dialog',
      { 'aria-labelledby': 'question' },
      h(
        'form',
        { method: 'dialog' },
        h('p', { id: 'question' }, question),
        h('div', { class: 'actions' }, no, yes),
      ),
    )
  )
  document.body.append(dialog)
  dialog.showModal()
  return new Promise((resolve) => {
    dialog.onclose = () => {
      resolve(dialog.returnValue === 'yes')
      dialog.remove()
    }
  })
}
