/**
 * Loaded before a coordinator: from SIGUSR2 on it follows what is done to the files of the folder `FAULT_DIR`. Each step
 * has a name, like `write journal.ndjson`; below a folder it is the folder's. Over the step `FAULT_AT`, like `after
 * write journal.ndjson`, it dies as by `kill -9`. With `FAULT_COPIES` it copies its folder into that one before each
 * step: what such a death would leave.
 */
import fs from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import path from 'node:path'

const { FAULT_DIR = '', FAULT_AT = '', FAULT_COPIES = '' } = process.env
const { cpSync, readlinkSync } = fs
let isArmed = false
let copies = 0

type Functions = Record<string, (this: unknown, ...args: unknown[]) => unknown>

/** @param what a path, a descriptor or a handle. */
function fileOf(what: unknown): string {
  if (typeof what === 'number') return readlinkSync(`/proc/self/fd/${what}`)
  if (typeof what === 'object') return fileOf((what as FileHandle).fd)
  return path.resolve(what as string)
}

function reach(step: string): void {
  if (step !== FAULT_AT) return
  process.kill(process.pid, 'SIGKILL')
  // The signal is on its way, and nothing more is done.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
}

function copy(step: string): void {
  if (FAULT_COPIES === '') return
  isArmed = false
  copies += 1
  const name = `${String(copies).padStart(3, '0')} ${step}`
  const filter = (file: string): boolean => path.basename(file) !== 'lock'
  cpSync(FAULT_DIR, path.join(FAULT_COPIES, name), { recursive: true, filter })
  isArmed = true
}

/** @param isOwn whether the file is what it is called on, and not its first argument. */
function follow(functions: object, names: readonly string[], isOwn = false): void {
  const all = functions as Functions
  for (const name of names) {
    const real = all[name]!
    all[name] = function (...args) {
      const file = isArmed ? path.relative(FAULT_DIR, fileOf(isOwn ? this : args[0])) : '..'
      if (file.startsWith('..')) return real.apply(this, args)
      const step = `${name.replace('Sync', '')} ${file.split(path.sep)[0]}`
      reach(`before ${step}`)
      copy(step)
      const done = real.apply(this, args)
      if (!(done instanceof Promise)) {
        reach(`after ${step}`)
        return done
      }
      return done.then((value: unknown) => {
        reach(`after ${step}`)
        return value
      })
    }
  }
}

const handle = await open(process.execPath)
follow(Object.getPrototypeOf(handle) as object, ['write', 'datasync', 'sync', 'truncate'], true)
await handle.close()
follow(fs.promises, ['open', 'rename', 'rm', 'writeFile'])
follow(fs, ['open', 'openSync', 'renameSync', 'rmSync', 'writeSync'])
syncBuiltinESMExports()

process.on('SIGUSR2', () => {
  isArmed = true
  process.stderr.write('it is followed\n')
})
