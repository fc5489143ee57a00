import { createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'

/** Files that are named, with standard input (`-`) as one of them: it is kept on the disk, since it is read twice. */
export class Spool {
  readonly files: readonly string[]
  readonly #folder: string | null

  private constructor(files: readonly string[], folder: string | null) {
    this.files = files
    this.#folder = folder
  }

  static async of(named: readonly string[]): Promise<Spool> {
    if (!named.includes('-')) return new Spool(named, null)
    const folder = await mkdtemp(path.join(tmpdir(), 'morag-stdin-'))
    const file = path.join(folder, 'stdin')
    await pipeline(process.stdin, createWriteStream(file, { mode: 0o600 }))
    return new Spool(
      named.map((name) => (name === '-' ? file : name)),
      folder,
    )
  }

  async close(): Promise<void> {
    if (this.#folder !== null) await rm(this.#folder, { recursive: true, force: true })
  }
}
