/** Signals a whole process group; one that has ended is no error. */
export function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch {
    // Gone already, or there are no process groups here (Windows), where the child itself is all there is.
  }
}

/** The process groups that must not outlive us. */
const groups = new Set<number>()

/** Sees to it that a process group is killed when this process exits. Returns what to call when it has ended. */
export function holdGroup(pid: number): () => void {
  if (groups.size === 0) process.on('exit', killHeld)
  groups.add(pid)
  return () => {
    groups.delete(pid)
    if (groups.size === 0) process.off('exit', killHeld)
  }
}

function killHeld(): void {
  for (const pid of groups) signalGroup(pid, 'SIGKILL')
}
