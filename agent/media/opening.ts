import { open, type FileHandle } from 'node:fs/promises'
import { hiddenBytes, LEAST_REST } from './hidden-sound.ts'
import { rawArgs, rawOfWav, telephoneSound } from './raw-sound.ts'
import { readAt } from '../audio/wav.ts'

const MOST_CHUNKS = 200
/** GSM 06.10 files hold nothing but frames that begin with the same four bits. */
const GSM = { frameBytes: 33, signature: 0xd, frames: 32 }

export interface Opening {
  /** ffmpeg's options before the file's name. */
  args: string[]
  /** The header claims more samples than there are. */
  isCutOff: boolean
  /** A sentence for people on how it is read. */
  note?: string
}

/**
 * The options for files that neither name nor header describes: WAV files whose header counts some of the samples only
 * or whose chunks are not padded, and telephone recordings (GSM, G.711) without a header.
 * @throws the file system's errors.
 */
export async function openingOf(file: string): Promise<Opening> {
  const handle = await open(file)
  try {
    const { size } = await handle.stat()
    const head = await readAt(handle, 0, GSM.frameBytes * GSM.frames)
    if (isWav(head)) return await openingOfWav(handle, size)
    if (isGsm(head, size)) return { args: ['-f', 'gsm'], isCutOff: false }
    const telephone = await telephoneSound(file, head)
    if (telephone !== null) return { ...telephone, isCutOff: false }
    const hidden = await hiddenBytes(handle, head, size)
    return { ...PLAIN, ...(hidden === 0 ? {} : { note: hiddenNote(hidden) }) }
  } finally {
    await handle.close()
  }
}

const PLAIN: Opening = { args: [], isCutOff: false }

function hiddenNote(bytes: number): string {
  return `The file has more sound than its header claims: the last ${bytes} bytes were not read. Repair its header, or convert it with the program that made it.`
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

/** From here on a length is a placeholder, of a recorder or pipe that could not seek back. */
const UNKNOWN_LENGTH = 0x7fff_0000

/** There may be more samples than the header says (a crashed recorder, more than 4 GiB), or fewer. */
async function openingOfWav(handle: FileHandle, size: number): Promise<Opening> {
  let at = 12
  let format: Buffer = Buffer.alloc(0)
  let isPadded = true
  for (let count = 0; count < MOST_CHUNKS; count++) {
    const chunk = await chunkAt(handle, at)
    if (chunk === null) return PLAIN
    if (chunk.name === 'fmt ') format = await readAt(handle, at + 8, Math.min(chunk.bytes, 40))
    if (chunk.name === 'data') {
      const raw = isPadded ? null : rawOfWav(format, at + 8)
      if (raw !== null) return { ...PLAIN, args: rawArgs(raw) }
      // ffmpeg reads these to the end.
      if (chunk.bytes === 0 || chunk.bytes === 0xffff_ffff) return PLAIN
      if (size - chunk.end > LEAST_REST && !(await areChunks(handle, chunk.end, size)))
        return { args: ['-ignore_length', '1'], isCutOff: false }
      return { args: [], isCutOff: chunk.bytes < UNKNOWN_LENGTH && chunk.end - size > LEAST_REST }
    }
    const next = await behind(handle, chunk)
    isPadded &&= next === chunk.end
    at = next
  }
  return PLAIN
}

/** Some writers do not pad chunks of an odd length. */
async function behind(
  handle: FileHandle,
  { bytes, end }: { bytes: number; end: number },
): Promise<number> {
  if (bytes % 2 === 0 || (await nameAt(handle, end)) !== null) return end
  return (await nameAt(handle, end - 1)) === null ? end : end - 1
}

/** Null where no chunk begins. */
async function nameAt(handle: FileHandle, at: number): Promise<string | null> {
  const name = (await readAt(handle, at, 4)).toString('latin1')
  return CHUNK_NAME.test(name) ? name : null
}

const CHUNK_NAME = /^[\w ]{4}$/

/** Whether chunks (titles, marks) follow up to the end. */
async function areChunks(handle: FileHandle, from: number, size: number): Promise<boolean> {
  let at = from
  for (let count = 0; count < MOST_CHUNKS && size - at > LEAST_REST; count++) {
    const chunk = await chunkAt(handle, at)
    if (chunk === null || !CHUNK_NAME.test(chunk.name) || chunk.end > size + 1) return false
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
