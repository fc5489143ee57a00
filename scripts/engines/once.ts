import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { cacheDir } from '../../agent/paths.ts'
import { lockFolder, type FolderLock } from '../../shared/lock.ts'

export interface PrepareOptions {
  signal: AbortSignal
  /** A line for people, at each step. */
  say?: (line: string) => void
  /** Where what was made is kept; default: in the user's cache folder. */
  root?: string
}

/** How often to look whether another process is done with what we want too. */
const LOOK_MS = 500

/**
 * Makes a folder once and for all. What `make` puts there counts only when it has come to its end; half of it, left by
 * a process that died, is removed. Of several processes that want the same folder one makes it and the others wait.
 * @param name of the folder, which says all that it depends on
 * @param make fills the empty folder that it is given, which stays where it is
 * @returns the folder.
 */
export async function once(
  name: string,
  make: (folder: string) => Promise<void>,
  options: PrepareOptions,
): Promise<string> {
  const home = path.join(options.root ?? path.join(cacheDir(), 'test-engines'), name)
  const folder = path.join(home, 'made')
  const done = path.join(home, 'done')
  if (existsSync(done)) return folder
  await mkdir(home, { recursive: true })
  const lock = await waitForLock(home, name, options)
  try {
    if (!existsSync(done)) {
      await rm(folder, { recursive: true, force: true })
      await mkdir(folder)
      await make(folder)
      await writeFile(done, '')
    }
  } finally {
    await lock.release()
  }
  return folder
}

/** A few letters for a folder's name that change when any of these does. */
export function markOf(...parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 8)
}

async function waitForLock(
  home: string,
  name: string,
  { signal, say }: PrepareOptions,
): Promise<FolderLock> {
  for (let tries = 0; ; tries++) {
    signal.throwIfAborted()
    const lock = await lockFolder(home)
    if (lock !== null) return lock
    if (tries === 0) say?.(`Another process makes ${name}; waiting for it`)
    await delay(LOOK_MS, undefined, { signal })
  }
}
