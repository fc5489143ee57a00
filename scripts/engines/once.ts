import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { cacheDir } from '../../agent/paths.ts'
import { lockFolder, type FolderLock } from '../../shared/lock.ts'

export interface PrepareOptions {
  signal: AbortSignal
  say?: (line: string) => void
  /** Default: in the user's cache folder. */
  root?: string
}

const LOOK_MS = 500

/**
 * Makes a folder once. It counts only when `make` has ended; what an interrupted process left is removed. Of several
 * processes one makes it and the others wait.
 * @param name identifies everything that the folder depends on.
 * @param make fills the empty folder, which is not moved later.
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

/** A short hash for a folder's name. */
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
