import { spawn } from 'node:child_process'

/** What the guard is told to run. */
export type Guarded = [file: string, ...args: string[]]

/**
 * Runs a program in our own process group and ends it when whoever started us is gone, however that happened: a server
 * that holds a GPU's memory must not outlive its agent. Ends as the program ends, having waited for it: in a container
 * there may be nobody else who does.
 */
const [, , file, ...args] = process.argv as [string, string, ...Guarded]
const child = spawn(file, args, { stdio: ['ignore', 'inherit', 'inherit'] })
process.on('disconnect', () => child.kill('SIGKILL'))
child.on('error', (error) => {
  process.stderr.write(`'${file}' cannot be started: ${error.message}\n`)
  process.exit(127)
})
child.on('exit', (code, signal) => {
  if (!process.connected) endGroup()
  if (signal === null) process.exit(code ?? 1)
  process.kill(process.pid, signal)
})

/** What the program started, and ourselves. */
function endGroup(): void {
  try {
    process.kill(-process.pid, 'SIGKILL')
  } catch {
    // There are no process groups here (Windows).
    process.exit(1)
  }
}
