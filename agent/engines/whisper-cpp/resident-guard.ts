import { spawn } from 'node:child_process'

export type Guarded = [file: string, ...args: string[]]

/**
 * Runs a program in this process group and ends it when its parent is gone: a server that holds a GPU's memory must not
 * outlive its agent. Waits for the program: in a container no other process may do so.
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

function endGroup(): void {
  try {
    process.kill(-process.pid, 'SIGKILL')
  } catch {
    // Windows has no process groups.
    process.exit(1)
  }
}
