/**
 * Loaded before a coordinator: after SIGUSR2, and until the next one, nothing can be written to a file, as when a disk
 * quota is used up. libuv has no name for that error, so Node calls it unknown.
 */
import fs from 'node:fs'
import { open } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { constants } from 'node:os'

type Functions = Record<string, (this: unknown, ...args: unknown[]) => unknown>
type Callback = (error: Error) => void

/** Standard input, output and error are no files of ours. */
const FIRST_FILE = 3
let isUsedUp = false

function quotaError(): Error {
  const errno = -constants.errno.EDQUOT
  const code = `Unknown system error ${errno}`
  return Object.assign(new Error(`${code}: ${code}, write`), { errno, code, syscall: 'write' })
}

function refuse(
  functions: object,
  names: readonly string[],
  how: (args: unknown[]) => unknown,
): void {
  const all = functions as Functions
  for (const name of names) {
    const real = all[name]!
    all[name] = function (...args) {
      const isStandard = typeof args[0] === 'number' && args[0] < FIRST_FILE
      return isUsedUp && !isStandard ? how(args) : real.apply(this, args)
    }
  }
}

const rejected = async (): Promise<never> => await Promise.reject(quotaError())
const called = (args: unknown[]): void =>
  queueMicrotask(() => (args.at(-1) as Callback)(quotaError()))
const thrown = (): never => {
  throw quotaError()
}

const handle = await open(process.execPath)
refuse(
  Object.getPrototypeOf(handle) as object,
  ['write', 'writev', 'writeFile', 'appendFile'],
  rejected,
)
await handle.close()
refuse(fs.promises, ['writeFile', 'appendFile', 'copyFile'], rejected)
refuse(fs, ['write', 'writev', 'writeFile', 'appendFile', 'copyFile'], called)
refuse(fs, ['writeSync', 'writevSync', 'writeFileSync', 'appendFileSync', 'copyFileSync'], thrown)
syncBuiltinESMExports()

process.on('SIGUSR2', () => (isUsedUp = !isUsedUp))
