import { createHash } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import path from 'node:path'
import { AppError, messageOf } from '../../shared/errors.ts'
import { lockFolder } from '../../shared/lock.ts'
import { Control } from '../status/control.ts'

export interface Leftover {
  folder: string
  count: number
}

/** The folder that one agent has to itself: `<work-dir>/<worker id>`. */
export interface Workspace {
  workerId: string
  /** A folder for each job under way; empty at the start. */
  jobs: string
  outbox: string
  leftovers: readonly Leftover[]
  /** Answers `status` and `drain` on this machine. */
  control: Control
  release(): Promise<void>
}

const MOST_AGENTS = 1_000

/**
 * Locks the folder of this name; without one that of the machine's name, or the first of `<name>-2`, `<name>-3`, … that
 * no running agent has. So the same machine gets the same folder again, with its undelivered results.
 * @param taken names not to use.
 * @throws {AppError} `usage` when another agent runs under the name, or the folder cannot be made.
 */
export async function openWorkspace(
  workDir: string,
  workerId: string | null,
  taken: ReadonlySet<string> = new Set(),
): Promise<Workspace> {
  if (workerId !== null) {
    const workspace = await take(workDir, workerId)
    if (workspace !== null) return workspace
    const fix = 'give each agent its own --worker-id, or leave it out'
    throw new AppError(
      'usage',
      `An agent named ${workerId} is already running in ${workDir}: ${fix}.`,
    )
  }
  const name = machineName()
  for (let n = 1; n <= MOST_AGENTS; n += 1) {
    const next = n === 1 ? name : `${name}-${n}`
    const workspace = taken.has(next) ? null : await take(workDir, next)
    if (workspace !== null) return workspace
  }
  throw new AppError('usage', `${MOST_AGENTS} agents are already running in ${workDir}.`)
}

function machineName(): string {
  const plain = hostname().replace(/[^\w.@-]/g, '-')
  return plain.replace(/^[.-]+/, '') || 'agent'
}

/** Whether a name may be a default one of this machine. */
export function isDefaultName(workerId: string): boolean {
  const name = machineName()
  if (workerId === name) return true
  return workerId.startsWith(`${name}-`) && /^[1-9]\d*$/.test(workerId.slice(name.length + 1))
}

/** The name of a coordinator's folders: what belongs to it must never go to another. */
export function coordinatorFolder(url: string): string {
  return createHash('sha256').update(url).digest('hex').slice(0, 16)
}

async function take(workDir: string, workerId: string): Promise<Workspace | null> {
  const folder = path.join(workDir, workerId)
  const jobs = path.join(folder, 'jobs')
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const control = new Control()
    const lock = await lockFolder(folder, control.serve)
    if (lock === null) return null
    // Left by an earlier run, whose attempts are over.
    await rm(jobs, { recursive: true, force: true })
    await mkdir(jobs, { mode: 0o700 })
    const outbox = path.join(folder, 'outbox')
    const release = async (): Promise<void> => {
      control.close()
      await lock.release()
    }
    return { workerId, jobs, outbox, leftovers: [], control, release }
  } catch (error) {
    const message = `The folder ${folder} cannot be used (--work-dir, MORAG_TEMP_DIR): ${messageOf(error)}.`
    throw new AppError('usage', message, { cause: error })
  }
}
