import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { MINUTE } from '../../shared/duration.ts'
import { lockFolder } from '../../shared/lock.ts'
import { timeOfDay } from '../../shared/time-of-day.ts'

const PREFIX = 'morag-coordinator-'
/** A younger one may belong to a coordinator that is about to lock it. */
const YOUNG_MS = MINUTE

export interface OwnFolder {
  dir: string
  /** Removes it. */
  close(): Promise<void>
}

/**
 * Makes a temporary folder for one of the coordinators that share a data folder. Removes those of coordinators that were
 * killed.
 */
export async function openOwnFolder(parent: string = tmpdir()): Promise<OwnFolder> {
  for (const name of await readdir(parent))
    if (name.startsWith(PREFIX)) await removeDead(path.join(parent, name)).catch(() => undefined)
  const dir = await mkdtemp(path.join(parent, PREFIX))
  const lock = await lockFolder(dir)
  return {
    dir,
    async close() {
      await lock?.release()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

/** @throws for that of another user. */
async function removeDead(dir: string): Promise<void> {
  if ((await stat(dir)).ctimeMs > timeOfDay() - YOUNG_MS) return
  const lock = await lockFolder(dir)
  if (lock === null) return
  await lock.release()
  await rm(dir, { recursive: true, force: true })
}
