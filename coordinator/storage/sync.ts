import path from 'node:path'
import { childEnv } from '../../shared/child-env.ts'
import { SECOND } from '../../shared/duration.ts'
import { startChild } from '../../shared/start-child.ts'
import { delay } from '../../shared/timers.ts'

/**
 * Makes all writes below a folder durable, by a sync of its file system, for which Node has no call. Writes of other
 * processes are synced too, so it may take long.
 * @param patienceMs default: unlimited.
 * @throws {Error} when it took longer; the sync continues.
 */
export async function syncBelow(dir: string, patienceMs?: number): Promise<void> {
  if (patienceMs === undefined) return await syncFileSystem(dir, true)
  const synced = syncFileSystem(dir, false)
  synced.catch(() => undefined)
  const late = new AbortController()
  const tooLate = async (): Promise<never> => {
    await delay(patienceMs, { signal: late.signal })
    throw new Error(
      `The file system of ${dir} took longer than ${patienceMs / SECOND} s to sync: the next start replays its journal`,
    )
  }
  try {
    await Promise.race([synced, tooLate()])
  } finally {
    late.abort()
  }
}

/** @param holds whether the process waits for it. */
async function syncFileSystem(dir: string, holds: boolean): Promise<void> {
  const run = async (...args: string[]): Promise<boolean> => {
    const child = startChild('sync', args, { env: childEnv(), stdio: 'ignore' })
    if (!holds) child.unref()
    return !(await child).failed
  }
  if ((await run('-f', path.resolve(dir))) || (await run())) return
  throw new Error(`The file system of ${dir} cannot be synced`)
}
