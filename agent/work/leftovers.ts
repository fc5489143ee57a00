import { mkdir, readdir, rename } from 'node:fs/promises'
import path from 'node:path'
import { isSystemError, messageOf } from '../../shared/errors.ts'
import { lockFolder } from '../../shared/lock.ts'
import { filesOf } from '../client/delivery-record.ts'
import type { Reporter } from '../progress/reporter-kinds.ts'
import { outboxName } from './outbox-name.ts'
import type { Leftover, Workspace } from './workspace.ts'

interface LeftoverOptions {
  workDir: string
  workspace: Pick<Workspace, 'workerId' | 'outbox'>
  /** The addresses of the coordinators that this agent works for. */
  urls: readonly string[]
  /** Whether an agent of that name was one of this machine that nobody has named, as this one is. */
  isOurs: (workerId: string) => boolean
  reporter: Pick<Reporter, 'event'>
}

/**
 * Takes over what agents under other default names of this machine have not delivered: the name may be taken elsewhere by
 * now, or fewer agents are started than were. An agent that runs keeps its own.
 * @returns what stays where it is, each of it told: no agent delivers it as things are.
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
        const isForUs = options.urls.some((url) => outboxName(url) === one.name)
        if (isThis && isForUs) continue
        if (isForUs && isOurs(workerId)) await takeOver(one, workerId, options)
        else left.push({ folder: one.folder, count: one.outgoings.length })
      }
    } finally {
      await lock?.release()
    }
  }
  for (const { folder, count } of left)
    reporter.event('warn', `${count} result(s) in ${folder} are delivered by no agent: ${FIX}`)
  return left
}

const FIX = 'start one with the --worker-id and the --url that they are of, or remove them.'

interface OutboxFound {
  /** One coordinator's. */
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
      // Its files first: without them it is not whole.
      const files = path.basename(filesOf(outgoing))
      await rename(path.join(folder, files), path.join(to, files)).catch((error: unknown) => {
        if (!isSystemError(error, 'ENOENT')) throw error
      })
      await rename(path.join(folder, outgoing), path.join(to, outgoing))
    }
    const text = `${outgoings.length} result(s) that ${workerId} has not delivered are taken over: ${workspace.workerId} delivers them.`
    reporter.event('info', text)
  } catch (error) {
    const text = `The results in ${folder} could not be taken over: ${messageOf(error)}.`
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

/** In order; none where there is no such folder, or it may not be read. */
async function namesIn(folder: string): Promise<string[]> {
  const names: string[] = await readdir(folder).catch(() => [])
  return names.toSorted()
}
