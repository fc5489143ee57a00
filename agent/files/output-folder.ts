import { mkdir, readdir, realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import { ENDINGS, type Form } from '../../shared/forms.ts'
import type { Output } from '../output.ts'
import { isMedia, type MediaFile } from './media-files.ts'

/** In place of a folder: each transcript beside its recording. */
export const BESIDE = 'beside'

/** Where the transcripts of many recordings go: to a folder, with the paths that they have below theirs, or beside them. */
export class OutputFolder {
  readonly #place: string
  readonly #forms: readonly Form[]

  constructor(place: string, forms: readonly Form[]) {
    this.#place = place
    this.#forms = forms
  }

  /** `talk.srt` of `talk.mp3`; `talk.mp3.srt` where another recording beside it has that name, too. */
  async outputsOf(
    { file, name }: MediaFile,
    namesIn = recordingsIn,
  ): Promise<(Output & { file: string })[]> {
    const { dir, base, name: stem } = path.parse(file)
    const alike = (await namesIn(dir || '.')).get(folded(stem)) ?? []
    const isShared = alike.some((other) => other !== base)
    const folder = this.#place === BESIDE ? dir : path.join(this.#place, path.dirname(name))
    return this.#forms.map((form) => ({
      form,
      file: path.join(folder, `${isShared ? base : stem}.${ENDINGS[form]}`),
    }))
  }

  /** @throws {AppError} `usage` when two files have the same transcript, or a transcript is a file that is read. */
  async check(files: readonly MediaFile[]): Promise<void> {
    const listed = new Map<string, ReturnType<typeof recordingsIn>>()
    const namesIn: typeof recordingsIn = async (dir) => {
      const names = listed.get(dir) ?? recordingsIn(dir)
      listed.set(dir, names)
      return await names
    }
    const sources = new Map<string, string>()
    for (const { file } of files) sources.set(await realpath(file).catch(() => file), file)
    const owners = new Map<string, string>()
    for (const media of files) {
      for (const { file: target } of await this.outputsOf(media, namesIn)) {
        const key = folded(path.resolve(target))
        const owner = owners.get(key)
        if (owner !== undefined) {
          const message = `${owner} and ${media.file} would both be written to ${target}: rename one, name the folder above both with --recursive, or give --output-dir beside.`
          throw new AppError('usage', message)
        }
        owners.set(key, media.file)
        const source = sources.get(await realpath(target).catch(() => ''))
        if (source !== undefined) {
          const message = `${target} would be overwritten, and ${source} is read: give another --output-dir or --format.`
          throw new AppError('usage', message)
        }
      }
    }
  }

  async prepare(outputs: readonly { file: string }[]): Promise<void> {
    for (const { file } of outputs) await mkdir(path.dirname(file), { recursive: true })
  }
}

/** The names of the recordings in a folder, by their stems. */
async function recordingsIn(folder: string): Promise<Map<string, string[]>> {
  const names = new Map<string, string[]>()
  for (const name of await readdir(folder)) {
    const stem = folded(path.parse(name).name)
    if (isMedia(name)) names.set(stem, [...(names.get(stem) ?? []), name])
  }
  return names
}

/** The same for names that a file system may take for one. */
function folded(name: string): string {
  return name.normalize().toLowerCase()
}

/** Whether all are there, with something in them. */
export async function areThere(outputs: readonly { file: string }[]): Promise<boolean> {
  const found = await Promise.all(outputs.map(({ file }) => stat(file).catch(() => null)))
  return found.every((one) => one !== null && one.isFile() && one.size > 0)
}
