import { mkdir, readdir, stat } from 'node:fs/promises'
import path from 'node:path'
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
  async outputsOf({ file, name }: MediaFile): Promise<(Output & { file: string })[]> {
    const { dir, base } = path.parse(file)
    const stem = path.parse(name).name
    const others = (await readdir(dir || '.')).filter((other) => other !== base && isMedia(other))
    const isShared = others.some((other) => path.parse(other).name === stem)
    const folder = this.#place === BESIDE ? dir : path.join(this.#place, path.dirname(name))
    return this.#forms.map((form) => ({
      form,
      file: path.join(folder, `${isShared ? base : stem}.${ENDINGS[form]}`),
    }))
  }

  async prepare(outputs: readonly { file: string }[]): Promise<void> {
    for (const { file } of outputs) await mkdir(path.dirname(file), { recursive: true })
  }
}

/** Whether all are there, with something in them. */
export async function areThere(outputs: readonly { file: string }[]): Promise<boolean> {
  const found = await Promise.all(outputs.map(({ file }) => stat(file).catch(() => null)))
  return found.every((one) => one !== null && one.isFile() && one.size > 0)
}
