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
import { printable } from '../../shared/printable.ts'
import { STATUSES } from '../../shared/wire.ts'
import { isOriginal } from '../storage/original-record.ts'

export interface Finding {
  level: 'ok' | 'warn' | 'fail'
  what: string
  fix: string | null
}

const GIB = 1024 ** 3
const LEAST_FREE_BYTES = GIB
const SECRET_FILES = ['secret', 'webhook-secret', 'tokens.json']

const ok = (what: string): Finding => ({ level: 'ok', what, fix: null })
const warn = (what: string, fix: string): Finding => ({ level: 'warn', what, fix })
const fail = (what: string, fix: string): Finding => ({ level: 'fail', what, fix })

export function findingsText(findings: readonly Finding[]): string {
  const lines = findings.map(({ level, what, fix }) => {
    const help = fix === null ? '' : `\n      fix: ${printable(fix)}`
    return `${level.padEnd(4)}  ${printable(what)}${help}\n`
  })
  return lines.join('')
}

/** Checks a data directory without changing it. */
export async function examineFolder(dir: string): Promise<Finding[]> {
  if (!existsSync(dir)) {
    return [warn(`${dir} does not exist`, 'serve creates it. To use another one: --data-dir.')]
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
    return ok(`${dir} is readable and writable`)
  } catch (error) {
    const fix = 'Change its owner to the coordinator’s user (chown).'
    return fail(`${dir} is not accessible: ${messageOf(error)}`, fix)
  }
}

function space(dir: string): Finding {
  const { bavail, bsize } = statfsSync(dir)
  const free = bavail * bsize
  const text = `${(free / GIB).toFixed(1)} GiB free`
  if (free >= LEAST_FREE_BYTES) return ok(text)
  const fix = 'Free space: morag-coordinator cleanup, or set --keep-completed and --remove-sources.'
  return warn(text, fix)
}

async function owner(dir: string): Promise<Finding> {
  const socket = await visitLock(dir)
  socket?.destroy()
  return ok(
    socket === null
      ? 'no coordinator has it for itself (those with --data-shared have not)'
      : 'a coordinator is running on it',
  )
}

function secrets(dir: string): Finding[] {
  const isOpen = (file: string, to: number): boolean => {
    const found = statSync(file, { throwIfNoEntry: false })
    return found !== undefined && (found.mode & to) !== 0
  }
  const open = SECRET_FILES.filter((name) => isOpen(path.join(dir, name), 0o077))
  const found = open.map((name) =>
    fail(`other users can read ${name}`, `chmod 600 ${path.join(dir, name)}`),
  )
  if (open.length === 0) found.push(ok('only the owner can read the secrets'))
  if (!isOpen(dir, 0o005)) return found
  const what = 'all users of this machine can read recordings, transcripts and webhook keys'
  return [...found, warn(what, `chmod o-rwx ${dir}`)]
}

function quarantine(dir: string): Finding {
  const names = namesIn(path.join(dir, 'quarantine'))
  if (names.length === 0) return ok('the quarantine is empty')
  const fix = 'Repair them in quarantine/, move them back to their status folder, and restart.'
  return warn(`${names.length} files in quarantine: ${names.slice(0, 3).join(', ')}`, fix)
}

/** Jobs of the original prevent the coordinator's start. */
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
