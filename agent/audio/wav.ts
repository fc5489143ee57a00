import { open, type FileHandle } from 'node:fs/promises'
import { AppError } from '../../shared/errors.ts'

/** Of signed 16-bit samples, as `decode` writes them. */
export interface WavHeader {
  sampleRate: number
  channels: number
  /** Sample frames: one per channel counts once. */
  samples: number
  durationSeconds: number
  /** Where the samples begin, in bytes. */
  dataOffset: number
}

/** The most bytes of chunks before the samples. */
const MAX_HEADER = 1024 * 1024

/**
 * The header of a WAV file. The file's own size wins over a length in it that disagrees: a writer that was stopped, wrote
 * to a pipe or passed 4 GiB leaves a wrong one.
 * @throws {AppError} `invalid_media` when it is not 16-bit PCM in a WAV.
 */
export async function readWavHeader(file: string): Promise<WavHeader> {
  const handle = await open(file, 'r')
  try {
    return await headerOf(handle, file)
  } finally {
    await handle.close()
  }
}

async function headerOf(handle: FileHandle, file: string): Promise<WavHeader> {
  const { size } = await handle.stat()
  const head = await readAt(handle, 0, 12)
  if (head.toString('latin1', 0, 4) !== 'RIFF' || head.toString('latin1', 8, 12) !== 'WAVE') {
    throw new AppError('invalid_media', `'${file}' is not a WAV file.`)
  }
  let format: { sampleRate: number; channels: number } | null = null
  for (let at = 12; at < MAX_HEADER;) {
    const chunk = await readAt(handle, at, 8)
    if (chunk.length < 8) break
    const name = chunk.toString('latin1', 0, 4)
    const length = chunk.readUInt32LE(4)
    at += 8
    if (name === 'fmt ') format = parseFormat(await readAt(handle, at, 16), file)
    if (name === 'data' && format !== null) {
      const rest = size - at
      const bytes = length <= rest && rest - length < MAX_HEADER ? length : rest
      const samples = Math.floor(bytes / (2 * format.channels))
      return { ...format, samples, durationSeconds: samples / format.sampleRate, dataOffset: at }
    }
    // Chunks are padded to an even length.
    at += length + (length % 2)
  }
  throw new AppError('invalid_media', `'${file}' is a WAV file without samples.`)
}

function parseFormat(chunk: Buffer, file: string): { sampleRate: number; channels: number } {
  if (chunk.length === 16) {
    const [tag, channels, bits] = [0, 2, 14].map((at) => chunk.readUInt16LE(at))
    const sampleRate = chunk.readUInt32LE(4)
    // 0xFFFE: the extensible form.
    const pcm = tag === 1 || tag === 0xfffe
    if (pcm && bits === 16 && channels && sampleRate) return { sampleRate, channels }
  }
  throw new AppError('invalid_media', `'${file}' does not hold 16-bit samples.`)
}

/** Random access to the samples of a mono WAV file. */
export class WavReader {
  readonly header: WavHeader
  readonly #handle: FileHandle

  private constructor(handle: FileHandle, header: WavHeader) {
    this.#handle = handle
    this.header = header
  }

  /** @throws {AppError} `invalid_media` when it is not mono 16-bit PCM in a WAV. */
  static async open(file: string): Promise<WavReader> {
    const handle = await open(file, 'r')
    try {
      const header = await headerOf(handle, file)
      if (header.channels === 1) return new WavReader(handle, header)
      throw new AppError('invalid_media', `'${file}' has ${header.channels} channels, not one.`)
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  /** Samples `from` (inclusive) to `to` (exclusive) as numbers from -1 to 1; fewer where the file ends before. */
  async read(from: number, to: number): Promise<Float32Array> {
    const count = Math.max(0, Math.min(to, this.header.samples) - from)
    const bytes = await readAt(this.#handle, this.header.dataOffset + from * 2, count * 2)
    const samples = new Float32Array(Math.floor(bytes.length / 2))
    for (let i = 0; i < samples.length; i++) samples[i] = bytes.readInt16LE(i * 2) / 32_768
    return samples
  }

  /** The whole file in blocks of `size` samples; the last one may be shorter. */
  async *blocks(size: number): AsyncGenerator<Float32Array> {
    for (let from = 0; from < this.header.samples; from += size) {
      yield await this.read(from, from + size)
    }
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }
}

/** Bytes of a file from a position on; fewer than `length` at its end. */
export async function readAt(
  handle: FileHandle,
  position: number,
  length: number,
): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position)
  return buffer.subarray(0, bytesRead)
}
