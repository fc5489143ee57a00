/** Something to wait for until it is opened. */
export function gate(): { opened: Promise<void>; open: () => void } {
  let release = (): void => undefined
  const opened = new Promise<void>((resolve) => (release = resolve))
  return { opened, open: () => release() }
}
