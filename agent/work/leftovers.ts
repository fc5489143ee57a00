import { mkdir, readdir, rename } from 'node:fs/promises'
import path from 'node:path'
import { isSystemError, messageOf } from '../../shared/errors.ts'
import { lockFolder } from '../../shared/lock.ts'
import { filesOf } from '../client/delivery-record.ts'
import type { Reporter } from '../progress/reporter-kinds.ts'
import { coordinatorFolder, type Leftover, type Workspace } from './workspace.ts'

interface LeftoverOptions {
  workDir: string
  workspace: Pick<Workspace, 'workerId' | 'outbox'>
  urls: readonly string[]
  /** Whether a name is a default one of this machine, as this agent's is. */
  isOurs: (workerId: string) => boolean
  reporter: Pick<Reporter, 'event'>
}

/**
 * Takes over the undelivered results of agents under other default names of this machine: the name may be in use elsewhere
 * by now, or fewer agents are started than before. A running agent keeps its own.
 * @returns what stays where it is and no agent delivers; each is reported.
 */
export async function takeOverLeftovers(options: LeftoverOptions): Promise<Leftover[]> {
  const { workDir, workspace, isOurs, reporter } = options
  const left: Leftover[] = []
  for (const workerId of await namesIn(workDir)) {
    const isThis = workerId === workspace.workerId
    const from = path.join(workDir, workerId)
    const found = await outboxesOf(path.join(from, 'outbox'))
    if (found.length === 0) continue
    const lock = isThis ? undefined : await lockFolder(from).catch(() => null)
    if (lock === null) continue
    try {
      for (const one of found) {
        const isForUs = options.urls.some((url) => coordinatorFolder(url) === one.name)
        if (isThis && isForUs) continue
        if (isForUs && isOurs(workerId)) await takeOver(one, workerId, options)
        else left.push({ folder: one.folder, count: one.outgoings.length })
      }
    } finally {
      await lock?.release()
    }
  }
  for (const { folder, count } of left)
    reporter.event('warn', `No agent delivers the ${count} result(s) in ${folder}: ${FIX}`)
  return left
}

const FIX = 'start an agent with the --worker-id and the --url that they belong to, or remove them.'

interface OutboxFound {
  name: string
  folder: string
  outgoings: string[]
}

async function takeOver(
  { name, folder, outgoings }: OutboxFound,
  workerId: string,
  { workspace, reporter }: LeftoverOptions,
): Promise<void> {
  const to = path.join(workspace.outbox, name)
  try {
    await mkdir(to, { recursive: true, mode: 0o700 })
    for (const outgoing of outgoings) {
      // Its files first: without them it would be incomplete.
      const files = path.basename(filesOf(outgoing))
      await rename(path.join(folder, files), path.join(to, files)).catch((error: unknown) => {
        if (!isSystemError(error, 'ENOENT')) throw error
      })
      await rename(path.join(folder, outgoing), path.join(to, outgoing))
    }
    const text = `${workspace.workerId} takes over ${outgoings.length} undelivered result(s) of ${workerId}.`
    reporter.event('info', text)
  } catch (error) {
    const text = `cannot take over the results in ${folder}: ${messageOf(error)}`
    reporter.event('warn', text)
  }
}

async function outboxesOf(outbox: string): Promise<OutboxFound[]> {
  const found: OutboxFound[] = []
  for (const name of await namesIn(outbox)) {
    const folder = path.join(outbox, name)
    const outgoings = (await namesIn(folder)).filter((one) => one.endsWith('.json'))
    if (outgoings.length > 0) found.push({ name, folder, outgoings })
  }
  return found
}

/** In order; none where the folder is missing or unreadable. */
async function namesIn(folder: string): Promise<string[]> {
  const names: string[] = await readdir(folder).catch(() => [])
  return names.toSorted()
}
