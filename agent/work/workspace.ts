import { mkdir, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import path from 'node:path'
import { AppError, messageOf } from '../../shared/errors.ts'
import { lockFolder } from '../../shared/lock.ts'
import { Control } from '../status/control.ts'

/** Results that lie in a folder, and that no agent there delivers. */
export interface Leftover {
  folder: string
  count: number
}

/** The folder that one agent has to itself: `<work-dir>/<worker id>`. */
export interface Workspace {
  workerId: string
  /** A folder for each job under way; empty at the start. */
  jobs: string
  /** Results that the coordinator does not have yet. */
  outbox: string
  /** Results of other agents in that work folder, which nobody delivers. */
  leftovers: readonly Leftover[]
  /** Who asks it on this machine. */
  control: Control
  release(): Promise<void>
}

const MOST_AGENTS = 1_000

/**
 * Takes a folder under this name; without one under the machine's, or the first of `<name>-2`, `<name>-3`, … that no
 * running agent has. The same machine so gets the same folder again, with what it had not delivered.
 * @param taken names that others have elsewhere.
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
      `An agent named ${workerId} is running in ${workDir} already: ${fix}.`,
    )
  }
  const name = machineName()
  for (let n = 1; n <= MOST_AGENTS; n += 1) {
    const next = n === 1 ? name : `${name}-${n}`
    const workspace = taken.has(next) ? null : await take(workDir, next)
    if (workspace !== null) return workspace
  }
  throw new AppError('usage', `There are ${MOST_AGENTS} agents in ${workDir} already.`)
}

/** The name of an agent that nobody has named, without the number of a further one. */
function machineName(): string {
  const plain = hostname().replace(/[^\w.@-]/g, '-')
  return plain.replace(/^[.-]+/, '') || 'agent'
}

/** Whether an agent of that name may be one of this machine that nobody has named. */
export function isDefaultName(workerId: string): boolean {
  const name = machineName()
  if (workerId === name) return true
  return workerId.startsWith(`${name}-`) && /^[1-9]\d*$/.test(workerId.slice(name.length + 1))
}

async function take(workDir: string, workerId: string): Promise<Workspace | null> {
  const folder = path.join(workDir, workerId)
  const jobs = path.join(folder, 'jobs')
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const control = new Control()
    const lock = await lockFolder(folder, control.serve)
    if (lock === null) return null
    // What is left of an earlier run belongs to attempts that are over.
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
