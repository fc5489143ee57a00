import { readdirSync, readFileSync } from 'node:fs'

/** The variable that marks a process of tests and, as they inherit it, those that it starts. */
export const MARK = 'MARK_OF_TESTS'

/**
 * Kills every process that has the mark `value`; on Linux alone, where `/proc` shows them.
 * @returns their command lines.
 */
export function endMarked(value: string): string[] {
  const ended: string[] = []
  for (const pid of processIds()) {
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
      if (!environment.includes(`${MARK}=${value}`)) continue
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
      process.kill(pid, 'SIGKILL')
      // A zombie has no command line.
      if (command !== '') ended.push(command)
    } catch {
      // Gone already, or of another user.
    }
  }
  return ended
}

function processIds(): number[] {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger)
  } catch {
    return []
  }
}
