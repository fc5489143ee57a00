import { readdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { DAY } from '../../shared/duration.ts'
import { timeOfDay } from '../../shared/time-of-day.ts'

/** Whose files are in a data folder. */
export interface FolderUse {
  /** Whether other coordinators use it at the same time. */
  isShared: boolean
}

export const OWN_FOLDER: FolderUse = { isShared: false }
/** Nothing is written for longer. */
const LEFT_MS = DAY

/** Removes what an earlier process has left incomplete in a folder; where others work in it, only what is a day old. */
export async function removeLeftovers(
  dir: string,
  { isShared }: FolderUse,
  isLeft: (name: string) => boolean = () => true,
): Promise<void> {
  for (const name of (await readdir(dir)).filter(isLeft)) {
    const file = path.join(dir, name)
    if (isShared && !(await isOld(file))) continue
    await rm(file, { recursive: true, force: true })
  }
}

/** Whether a file was changed last a day ago; one that is gone is not. */
export async function isOld(file: string): Promise<boolean> {
  const found = await stat(file).catch(() => null)
  return found !== null && found.mtimeMs < timeOfDay() - LEFT_MS
}
