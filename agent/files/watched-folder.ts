import { realpath, stat, statfs } from 'node:fs/promises'
import path from 'node:path'
import { watch, type FSWatcher } from 'chokidar'
import { isMedia, type MediaFile } from './media-files.ts'

/** Types of file systems (`f_type` of statfs(2)) of other machines: they report no changes. */
const REMOTE = new Set([0x6969, 0x517b, 0xff534d42, 0xfe534d42, 0x65735546, 0x01021997, 0x5346414f])
const POLL_MS = 5_000

export interface WatchOptions {
  recursive: boolean
  /** A file that has not changed for so long is whole. */
  settleMs: number
  /** Null: where the file system is of another machine. */
  polling: boolean | null
  /** Called for each recording that is there, is new or has changed, once it is whole. */
  onFile: (file: MediaFile) => void
  onGone: (name: string) => void
  onError: (error: unknown) => void
}

/** Watches a folder for recordings, until it is closed. */
export class WatchedFolder {
  readonly isPolling: boolean
  readonly #watcher: FSWatcher

  private constructor(isPolling: boolean, watcher: FSWatcher) {
    this.isPolling = isPolling
    this.#watcher = watcher
  }

  static async open(folder: string, options: WatchOptions): Promise<WatchedFolder> {
    const root = await realpath(folder)
    const usePolling = options.polling ?? REMOTE.has((await statfs(root)).type)
    const { settleMs, recursive, onFile, onGone, onError } = options
    const watcher = watch(root, {
      usePolling,
      interval: POLL_MS,
      binaryInterval: POLL_MS,
      followSymlinks: false,
      ...(recursive ? {} : { depth: 0 }),
      awaitWriteFinish: { stabilityThreshold: settleMs, pollInterval: Math.max(10, settleMs / 10) },
      ignored: (file, found) =>
        found?.isFile() === true
          ? !isMedia(path.basename(file))
          : file !== root && path.basename(file).startsWith('.'),
    })
    const nameOf = (file: string): string => path.relative(root, file)
    // Of links, too, whatever their name.
    const found = (file: string): void => {
      if (isMedia(path.basename(file))) onFile({ file, name: nameOf(file) })
    }
    watcher.on('add', found).on('change', found)
    watcher.on('unlink', (file) => onGone(nameOf(file))).on('error', onError)
    return new WatchedFolder(usePolling, watcher)
  }

  async close(): Promise<void> {
    await this.#watcher.close()
  }
}

/** The version of a file; null when it is gone, or none. */
export async function versionOf(file: string): Promise<{ size: number; mtimeMs: number } | null> {
  const found = await stat(file).catch(() => null)
  return found?.isFile() === true ? { size: found.size, mtimeMs: found.mtimeMs } : null
}
