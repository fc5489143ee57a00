/** Accepts an address pasted anywhere but into a field. @param {(url: string) => void} take */
export function addressesInto(take) {
  addEventListener('paste', (event) => {
    if (event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement)
      return
    const text = event.clipboardData?.getData('text/plain').trim() ?? ''
    if (!/^https?:\/\/\S+$/i.test(text)) return
    event.preventDefault()
    take(text)
  })
}

/** Accepts files dropped anywhere on the page. @param {(files: File[]) => void} take */
export function filesInto(take) {
  /** Entering a child element also leaves its parent. */
  let depth = 0
  const show = (/** @type {boolean} */ isOver) => document.body.classList.toggle('dropping', isOver)
  const hasFiles = (/** @type {DragEvent} */ event) =>
    event.dataTransfer?.types.includes('Files') === true
  addEventListener('dragenter', (event) => {
    if (hasFiles(event)) show((depth += 1) > 0)
  })
  addEventListener('dragleave', (event) => {
    if (hasFiles(event)) show((depth -= 1) > 0)
  })
  addEventListener('dragover', (event) => {
    // Otherwise the browser opens the file.
    if (hasFiles(event)) event.preventDefault()
  })
  addEventListener('drop', (event) => {
    if (!hasFiles(event)) return
    event.preventDefault()
    depth = 0
    show(false)
    take([...(event.dataTransfer?.files ?? [])])
  })
}
