import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { VIDEO_ENDINGS } from '../../shared/forms.ts'
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

/**
 * The recordings that are named, and those in the folders that are, by path.
 * @throws {AppError} `usage` for what does not exist, and where there is no recording at all.
 */
export async function mediaFiles(
  named: readonly string[],
  { recursive }: { recursive: boolean },
): Promise<MediaFile[]> {
  const found = new Map<string, MediaFile>()
  for (const one of named) {
    if (await isFolder(one)) {
      for (const name of await readdir(one, { recursive })) {
        const file = path.join(one, name)
        if (isMedia(name) && (await stat(file)).isFile())
          found.set(path.resolve(file), { file, name })
      }
    } else {
      await checkThere(one)
      found.set(path.resolve(one), { file: one, name: path.basename(one) })
    }
  }
  if (found.size > 0) return [...found.values()].toSorted((a, b) => (a.file < b.file ? -1 : 1))
  const hint = recursive ? '' : ' Give --recursive for the folders in it.'
  throw new AppError('usage', `There is no audio or video in ${named.join(', ')}.${hint}`)
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
