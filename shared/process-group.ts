/** No error when the group has ended. */
export function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch {
    // It has ended, or there are no process groups (Windows).
  }
}

const groups = new Set<number>()

/** Kills a process group when this process exits. Call the result once the group has ended. */
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
