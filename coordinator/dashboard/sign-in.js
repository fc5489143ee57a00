import { ask, Refusal } from './api.js'
import { h } from './element.js'

/** Asks for a token until one is accepted. @returns {Promise<void>} */
export function signIn() {
  return new Promise((resolve) => {
    const field = /** @type {HTMLInputElement} */ (
      h('input', {
        type: 'password',
        id: 'token',
        name: 'token',
        autocomplete: 'current-password',
        required: true,
        autofocus: true,
        'aria-describedby': 'token-hint token-wrong',
      })
    )
    const wrong = h('p', { id: 'token-wrong', class: 'wrong', role: 'alert' })
    const enter = h('button', { class: 'main' }, 'Sign in')
    const onsubmit = async (/** @type {Event} */ event) => {
      event.preventDefault()
      wrong.textContent = ''
      try {
        await ask('POST', 'session', { token: field.value })
        dialog.close()
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        wrong.textContent = error.status === 401 ? 'Invalid token.' : error.message
        field.select()
      }
    }
    const dialog = /** @type {HTMLDialogElement} */ (
      h(
        'dialog',
        {
          class: 'sign-in',
          'aria-labelledby': 'sign-in',
          oncancel: (/** @type {Event} */ event) => event.preventDefault(),
        },
        h('h2', { id: 'sign-in' }, 'Sign in'),
        h(
          'form',
          { onsubmit },
          h('label', { for: 'token' }, 'Token'),
          field,
          wrong,
          h(
            'p',
            { id: 'token-hint', class: 'sub' },
            'Create one on the coordinator’s host: ',
            h('code', null, 'morag-coordinator token create --role read --name YOU'),
          ),
          h('div', { class: 'actions' }, enter),
        ),
      )
    )
    dialog.onclose = () => {
      dialog.remove()
      resolve()
    }
    document.body.append(dialog)
    dialog.showModal()
  })
}
