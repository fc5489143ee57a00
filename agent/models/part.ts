import { open, readFile, rename, rm, stat, writeFile, type FileHandle } from 'node:fs/promises'
import { z } from 'zod'
import { isSystemError } from '../../shared/errors.ts'

const partNote = z.object({
  url: z.string(),
  etag: z.string().nullable(),
  totalBytes: z.number().nullable(),
  sha256: z.string().nullable(),
})
export type PartNote = z.infer<typeof partNote>

/** An incomplete file, and a note beside it of what it is part of. Both outlive the process. */
export class Part {
  readonly file: string
  readonly #note: string

  constructor(file: string) {
    this.file = file
    this.#note = `${file}.json`
  }

  /** Null when there is nothing to continue. */
  async read(): Promise<{ bytes: number; note: PartNote } | null> {
    try {
      const { size } = await stat(this.file)
      const note = partNote.safeParse(JSON.parse(await readFile(this.#note, 'utf8')))
      return note.success && size > 0 ? { bytes: size, note: note.data } : null
    } catch (error) {
      if (isSystemError(error, 'ENOENT') || error instanceof SyntaxError) return null
      throw error
    }
  }

  /** Starts anew. The old bytes go before the new note comes, so that a note never describes another file's bytes. */
  async begin(note: PartNote): Promise<FileHandle> {
    const handle = await open(this.file, 'w')
    try {
      await writeFile(`${this.#note}.new`, JSON.stringify(note))
      await rename(`${this.#note}.new`, this.#note)
      return handle
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  async goOn(): Promise<FileHandle> {
    return await open(this.file, 'a')
  }

  async finish(target: string): Promise<void> {
    await rename(this.file, target)
    await rm(this.#note, { force: true })
  }

  async discard(): Promise<void> {
    for (const file of [this.file, this.#note]) await rm(file, { force: true })
  }
}
