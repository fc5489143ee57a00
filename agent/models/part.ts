import { open, readFile, rename, rm, stat, writeFile, type FileHandle } from 'node:fs/promises'
import { z } from 'zod'
import { isSystemError } from '../../shared/errors.ts'

/** What a part is a part of. */
const partNote = z.object({
  url: z.string(),
  etag: z.string().nullable(),
  totalBytes: z.number().nullable(),
  sha256: z.string().nullable(),
})
/** What is noted beside a part. */
export type PartNote = z.infer<typeof partNote>

/** A file that is not whole yet, and a note beside it of what it is to become: both outlive a cut. */
export class Part {
  readonly file: string
  readonly #note: string

  constructor(file: string) {
    this.file = file
    this.#note = `${file}.json`
  }

  /** How much is there of what; null when it is nothing that can be gone on with. */
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

  /** Begins anew. The old bytes go before the new note comes, so that the note never tells of another file's. */
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

  /** Whole: it gets its name, and the note goes. */
  async finish(target: string): Promise<void> {
    await rename(this.file, target)
    await rm(this.#note, { force: true })
  }

  async discard(): Promise<void> {
    for (const file of [this.file, this.#note]) await rm(file, { force: true })
  }
}
