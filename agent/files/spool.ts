import { createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

/** Files that are named, with standard input (`-`) as one of them: it is kept on the disk, since it is read twice. */
export class Spool {
  readonly files: readonly string[]
  readonly #folder: string | null

  private constructor(files: readonly string[], folder: string | null) {
    this.files = files
    this.#folder = folder
  }

  /** @throws the signal's reason when aborted. */
  static async of(
    named: readonly string[],
    signal: AbortSignal,
    input: Readable = process.stdin,
  ): Promise<Spool> {
    if (!named.includes('-')) return new Spool(named, null)
    const folder = await mkdtemp(path.join(tmpdir(), 'morag-stdin-'))
    const file = path.join(folder, 'stdin')
    const spool = new Spool(
      named.map((name) => (name === '-' ? file : name)),
      folder,
    )
    try {
      await pipeline(input, createWriteStream(file, { mode: 0o600 }), { signal })
      return spool
    } catch (error) {
      await spool.close()
      signal.throwIfAborted()
      throw error
    }
  }

  async close(): Promise<void> {
    if (this.#folder !== null) await rm(this.#folder, { recursive: true, force: true })
  }
}
