import { readdir, realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import { VIDEO_ENDINGS } from '../../shared/video-endings.ts'
import { AppError, isSystemError, messageOf } from '../../shared/errors.ts'

const AUDIO_ENDINGS =
  'mp3 m4a m4b aac wav flac ogg oga opus wma aif aiff aifc amr au caf mka mp2 ac3 eac3 dts wv ape gsm weba'
const ENDINGS = new Set([...AUDIO_ENDINGS.split(' '), ...VIDEO_ENDINGS, 'ts'])

/** A recording. */
export interface MediaFile {
  file: string
  /** Its path below the folder that was named; of a file that was named, its name. */
  name: string
}

/** Whether a file in a folder is audio or video, by its name. Hidden ones and downloads under way are not. */
export function isMedia(name: string): boolean {
  const { base, ext } = path.parse(name)
  return !base.startsWith('.') && ENDINGS.has(ext.slice(1).toLowerCase())
}

export interface Search {
  recursive: boolean
  /** Called for each link, file and folder in a folder that cannot be read: it is left out. */
  warn: (message: string) => void
}

/**
 * The recordings that are named, and those in the folders that are, by path.
 * @throws {AppError} `usage` for what does not exist, and where there is no recording at all.
 */
export async function mediaFiles(named: readonly string[], search: Search): Promise<MediaFile[]> {
  const found = new Map<string, MediaFile>()
  for (const one of named) {
    if (await isFolder(one)) {
      for await (const name of recordingsIn(one, search)) {
        const file = path.join(one, name)
        found.set(path.resolve(file), { file, name })
      }
    } else {
      await checkThere(one)
      found.set(path.resolve(one), { file: one, name: path.basename(one) })
    }
  }
  if (found.size > 0) return [...found.values()].toSorted((a, b) => (a.file < b.file ? -1 : 1))
  const hint = search.recursive ? '' : ' Give --recursive for the folders in it.'
  throw new AppError('usage', `There is no audio or video in ${named.join(', ')}.${hint}`)
}

/** Their paths below the folder. A linked folder is followed, unless it is one that it is in. */
async function* recordingsIn(
  root: string,
  search: Search,
  below = '',
  parents: readonly string[] = [],
): AsyncGenerator<string> {
  const folder = path.join(root, below)
  const real = await readable(folder, realpath(folder), search)
  if (real === null || parents.includes(real)) return
  const entries = await readable(folder, readdir(folder, { withFileTypes: true }), search)
  for (const entry of entries ?? []) {
    const name = path.join(below, entry.name)
    const file = path.join(root, name)
    const isLink = entry.isSymbolicLink()
    if (isMedia(name) && (await readable(file, stat(file), search))?.isFile() === true) yield name
    else if (search.recursive && (entry.isDirectory() || (isLink && (await isFolder(file)))))
      yield* recordingsIn(root, search, name, [...parents, real])
  }
}

async function readable<T>(file: string, read: Promise<T>, { warn }: Search): Promise<T | null> {
  try {
    return await read
  } catch (error) {
    warn(`${file} is left out, as it cannot be read: ${messageOf(error)}.`)
    return null
  }
}

export async function isFolder(file: string): Promise<boolean> {
  return (await stat(file).catch(() => null))?.isDirectory() === true
}

/** @throws {AppError} `usage` when there is no such file. */
export async function checkThere(file: string): Promise<void> {
  try {
    await stat(file)
  } catch (error) {
    const isGone = isSystemError(error, 'ENOENT', 'ENOTDIR')
    const why = isGone ? 'does not exist' : `cannot be read: ${messageOf(error)}`
    throw new AppError('usage', `File ${file} ${why}.`, { cause: error })
  }
}
