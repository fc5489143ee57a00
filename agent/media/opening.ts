import { open, type FileHandle } from 'node:fs/promises'

/** Chunks of a WAV file, before its samples or behind them. */
const MOST_CHUNKS = 200
/** So much behind the samples is nothing that was said. */
const LEAST_REST = 4096
/** A GSM 06.10 file has nothing but frames, which all begin with the same four bits. */
const GSM = { frameBytes: 33, signature: 0xd, frames: 32 }

/** How a file is opened. */
export interface Opening {
  /** What ffmpeg has to be told before its name. */
  args: string[]
  /** Its header tells of more samples than it has. */
  isCutOff: boolean
}

/**
 * What ffmpeg has to be told to read a file as it is, where neither its name nor its header says so: a WAV file whose
 * header knows of a part of its samples only, and a telephone recording (GSM) without a header. Throws what the file system does.
 */
export async function openingOf(file: string): Promise<Opening> {
  const handle = await open(file)
  try {
    const { size } = await handle.stat()
    const head = await readAt(handle, 0, GSM.frameBytes * GSM.frames)
    if (isWav(head)) return await openingOfWav(handle, size)
    return { args: isGsm(head, size) ? ['-f', 'gsm'] : [], isCutOff: false }
  } finally {
    await handle.close()
  }
}

function isWav(head: Buffer): boolean {
  return head.toString('latin1', 0, 4) === 'RIFF' && head.toString('latin1', 8, 12) === 'WAVE'
}

function isGsm(head: Buffer, size: number): boolean {
  const { frameBytes, signature } = GSM
  if (size < frameBytes || size % frameBytes !== 0) return false
  for (let at = 0; at + frameBytes <= head.length; at += frameBytes) {
    if (head[at]! >> 4 !== signature) return false
  }
  return true
}

/** A length from here on says that nobody knew it: a recorder or a pipe that could not go back to write it. */
const UNKNOWN_LENGTH = 0x7fff_0000

/** There may be samples behind the end that the header names (a recorder that died, more than 4 GiB), or fewer than it names. */
async function openingOfWav(handle: FileHandle, size: number): Promise<Opening> {
  const plain = { args: [], isCutOff: false }
  let at = 12
  for (let count = 0; count < MOST_CHUNKS; count++) {
    const chunk = await chunkAt(handle, at)
    if (chunk === null) return plain
    if (chunk.name === 'data') {
      // ffmpeg reads these to the end.
      if (chunk.bytes === 0 || chunk.bytes === 0xffff_ffff) return plain
      if (size - chunk.end > LEAST_REST && !(await areChunks(handle, chunk.end, size)))
        return { args: ['-ignore_length', '1'], isCutOff: false }
      return { args: [], isCutOff: chunk.bytes < UNKNOWN_LENGTH && chunk.end - size > LEAST_REST }
    }
    at = chunk.end
  }
  return plain
}

/** Whether all from here on are chunks (titles, marks), as far as they are looked at. */
async function areChunks(handle: FileHandle, from: number, size: number): Promise<boolean> {
  let at = from
  for (let count = 0; count < MOST_CHUNKS && size - at > LEAST_REST; count++) {
    const chunk = await chunkAt(handle, at)
    if (chunk === null || !/^[\w ]{4}$/.test(chunk.name) || chunk.end > size + 1) return false
    at = chunk.end
  }
  return true
}

async function chunkAt(
  handle: FileHandle,
  at: number,
): Promise<{ name: string; bytes: number; end: number } | null> {
  const head = await readAt(handle, at, 8)
  if (head.length < 8) return null
  const bytes = head.readUInt32LE(4)
  return { name: head.toString('latin1', 0, 4), bytes, end: at + 8 + bytes + (bytes % 2) }
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position)
  return buffer.subarray(0, bytesRead)
}
