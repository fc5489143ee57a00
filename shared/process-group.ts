/** Signals a whole process group; one that has ended is no error. */
export function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch {
    // Gone already, or there are no process groups here (Windows), where the child itself is all there is.
  }
}
