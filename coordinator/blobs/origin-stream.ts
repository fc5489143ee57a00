import { Readable } from 'node:stream'
import { startTimer } from '../../shared/timers.ts'

export interface Wanted {
  /** Bytes before it that are not wanted. */
  skip?: number
  /** Neither more nor less; null: all that come. */
  length: number | null
  /** What to throw when the body breaks off. @param error undefined: it ended too early. */
  cut: (error: unknown) => Error
}

const CHUNK_BYTES = 256 * 1024

/** Ends what a server does not answer, or sends nothing of, in time. A reader's own pause is not counted. */
export async function inTime<T>(
  wait: Promise<T>,
  from: { destroy(error: Error): unknown },
  ms: number,
): Promise<T> {
  const timer = startTimer(() => from.destroy(new Error('it stopped answering')), ms)
  try {
    return await wait
  } finally {
    clearTimeout(timer)
  }
}

/** A web server's answer, read at the pace of its reader. */
export class OriginStream {
  readonly #body: Readable
  readonly #idleMs: number
  readonly #chunks: AsyncIterator<Buffer>
  readonly #first: Buffer[] = []

  /** @param idleMs how long it may send nothing while it is read. */
  constructor(body: Readable, idleMs: number) {
    this.#body = body
    this.#idleMs = idleMs
    // Its reader gets the error.
    body.on('error', () => undefined)
    this.#chunks = body[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  }

  /** Its first bytes, which are read again by {@link read}. @throws the connection's error. */
  async head(mostBytes: number): Promise<Buffer> {
    for (let bytes = 0; bytes < mostBytes;) {
      const next = await inTime(this.#chunks.next(), this.#body, this.#idleMs)
      if (next.done === true) break
      this.#first.push(next.value)
      bytes += next.value.length
    }
    return Buffer.concat(this.#first).subarray(0, mostBytes)
  }

  read({ skip = 0, length, cut }: Wanted): Readable {
    const pieces = this.#pieces(skip, length ?? Infinity, cut)
    const stream = Readable.from(pieces, { objectMode: false, highWaterMark: CHUNK_BYTES })
    // Also where its reader goes before the first byte.
    return stream.once('close', () => this.discard())
  }

  discard(): void {
    this.#body.destroy()
  }

  async *#pieces(skip: number, left: number, cut: Wanted['cut']): AsyncGenerator<Buffer> {
    while (left > 0) {
      const next = this.#first.shift() ?? (await this.#next(cut))
      if (next === undefined) break
      const piece = next.subarray(skip, skip + left)
      skip = Math.max(0, skip - next.length)
      left -= piece.length
      if (piece.length > 0) yield piece
    }
    if (left > 0 && left < Infinity) throw cut(undefined)
  }

  async #next(cut: Wanted['cut']): Promise<Buffer | undefined> {
    try {
      const { done, value } = await inTime(this.#chunks.next(), this.#body, this.#idleMs)
      return done === true ? undefined : value
    } catch (error) {
      throw cut(error)
    }
  }
}
