import {
  accessSync,
  constants,
  existsSync,
  readdirSync,
  readFileSync,
  statfsSync,
  statSync,
} from 'node:fs'
import path from 'node:path'
import { messageOf } from '../../shared/errors.ts'
import { visitLock } from '../../shared/lock.ts'
import { STATUSES } from '../../shared/wire.ts'
import { isOriginal } from '../storage/original-record.ts'

export interface Finding {
  level: 'ok' | 'warn' | 'fail'
  what: string
  /** What to do about it. */
  fix: string | null
}

const GIB = 1024 ** 3
const LEAST_FREE_BYTES = GIB
/** Files that only their owner may read. */
const PRIVATE = ['secret', 'webhook-secret', 'tokens.json']

const ok = (what: string): Finding => ({ level: 'ok', what, fix: null })
const warn = (what: string, fix: string): Finding => ({ level: 'warn', what, fix })
const fail = (what: string, fix: string): Finding => ({ level: 'fail', what, fix })

/** Looks a data folder over without changing anything. */
export async function examineFolder(dir: string): Promise<Finding[]> {
  if (!existsSync(dir)) {
    return [warn(`${dir} is not there`, 'serve makes it; or name another with --data-dir.')]
  }
  return [
    writable(dir),
    space(dir),
    await owner(dir),
    ...secrets(dir),
    quarantine(dir),
    ...originals(dir),
  ]
}

function writable(dir: string): Finding {
  try {
    accessSync(dir, constants.R_OK | constants.W_OK | constants.X_OK)
    return ok(`${dir} can be read and written`)
  } catch (error) {
    return fail(
      `${dir} cannot be used: ${messageOf(error)}`,
      'Give it to the coordinator’s user (chown).',
    )
  }
}

function space(dir: string): Finding {
  const { bavail, bsize } = statfsSync(dir)
  const free = bavail * bsize
  const text = `${(free / GIB).toFixed(1)} GiB are free there`
  if (free >= LEAST_FREE_BYTES) return ok(text)
  return warn(text, 'Make room: morag-coordinator cleanup, --keep-completed, --remove-sources.')
}

async function owner(dir: string): Promise<Finding> {
  const socket = await visitLock(dir)
  socket?.destroy()
  return ok(socket === null ? 'no coordinator is running on it' : 'a coordinator is running on it')
}

function secrets(dir: string): Finding[] {
  const isOpen = (file: string, to: number): boolean => {
    const found = statSync(file, { throwIfNoEntry: false })
    return found !== undefined && (found.mode & to) !== 0
  }
  const open = PRIVATE.filter((name) => isOpen(path.join(dir, name), 0o077))
  const found =
    open.length === 0
      ? [ok('its secrets are for their owner only')]
      : open.map((name) => fail(`others can read ${name}`, `chmod 600 ${path.join(dir, name)}`))
  if (!isOpen(dir, 0o005)) return found
  const what = 'everybody on this machine can read its recordings, transcripts and webhook keys'
  return [...found, warn(what, `chmod o-rwx ${dir}`)]
}

function quarantine(dir: string): Finding {
  const names = namesIn(path.join(dir, 'quarantine'))
  if (names.length === 0) return ok('no file is in quarantine')
  const fix = 'Look at them in quarantine/, mend them, put them back into a status folder, restart.'
  return warn(`${names.length} files are in quarantine: ${names.slice(0, 3).join(', ')}`, fix)
}

/** A job of the original in a status folder keeps the coordinator from starting. */
function originals(dir: string): Finding[] {
  for (const status of STATUSES) {
    for (const name of namesIn(path.join(dir, status)).slice(0, 50)) {
      if (!looksOriginal(path.join(dir, status, name))) continue
      const fix = `morag-coordinator import ${dir} --data-dir ${dir}`
      return [fail(`${status}/${name} is a job of the original system`, fix)]
    }
  }
  return []
}

function looksOriginal(file: string): boolean {
  try {
    return isOriginal(JSON.parse(readFileSync(file, 'utf8')))
  } catch {
    return false
  }
}

function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : []
}
