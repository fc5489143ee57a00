import { h } from './element.js'

/**
 * A speaker's name; a click makes a field of it, with the label below an empty name.
 *
 * @param {string} name
 * @param {string} label
 * @param {boolean} isTabStop
 * @param {(name: string) => void} rename called with what was typed, if it differs
 */
export function speakerName(name, label, isTabStop, rename) {
  const button = h(
    'button',
    {
      type: 'button',
      class: 'speaker',
      dir: 'auto',
      title: 'Rename',
      tabindex: isTabStop ? 0 : -1,
      onclick: (/** @type {MouseEvent} */ event) => {
        event.stopPropagation()
        edit(button, label, rename)
      },
    },
    name,
  )
  return button
}

/** @param {HTMLElement} button @param {string} label @param {(name: string) => void} rename */
function edit(button, label, rename) {
  const shown = button.textContent ?? ''
  const before = shown === label ? '' : shown
  const field = /** @type {HTMLInputElement} */ (
    h('input', {
      class: 'speaker',
      dir: 'auto',
      value: before,
      placeholder: label,
      maxlength: 200,
      'aria-label': `Name of ${label}`,
      onclick: (/** @type {Event} */ event) => event.stopPropagation(),
    })
  )
  const end = (/** @type {boolean} */ isKept) => {
    field.onblur = null
    field.replaceWith(button)
    button.focus()
    const typed = field.value.trim()
    if (isKept && typed !== before) rename(typed)
  }
  field.onblur = () => end(true)
  field.onkeydown = (event) => {
    if (event.key !== 'Enter' && event.key !== 'Escape') return
    // Otherwise the same key would press the button, which has the focus next.
    event.preventDefault()
    end(event.key === 'Enter')
  }
  button.replaceWith(field)
  field.select()
}
