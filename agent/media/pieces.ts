import { open, type FileHandle } from 'node:fs/promises'
import { readAt } from '../audio/wav.ts'
import { formOf, tsPieces } from './ts-pieces.ts'

/** A part of a file that is a file by itself, in bytes; `to` is exclusive. */
export interface Piece {
  from: number
  to: number
  tracks?: number
}

/** An Ogg page's header, without its segment table and with the longest. */
const PAGE_BYTES = 27
const PAGE_HEAD_BYTES = PAGE_BYTES + 255
/** `fLaC` and the header of its first block of 34 bytes. */
const FLAC_BYTES = 8
const BLOCK_BYTES = 1024 * 1024
const HEAD_BYTES = 1024
/** A radio recording begins anew with every title; the rest is one piece. */
const MOST_PIECES = 200

/**
 * The pieces of a chained Ogg (RFC 3533) or concatenated FLAC file, or of a transport stream whose sound changes:
 * ffmpeg reads only the first, or others of another form wrongly. None for a single file.
 * @throws the file system's errors.
 */
export async function piecesOf(file: string): Promise<Piece[]> {
  const handle = await open(file)
  try {
    const head = await readAt(handle, 0, HEAD_BYTES)
    const form = formOf(head)
    if (form !== null) return await tsPieces(handle, form)
    const kind = KINDS.get(head.toString('latin1', 0, 4))
    if (kind === undefined) return []
    const { size } = await handle.stat()
    const starts: number[] = []
    let last: Beginning | null = null
    for await (const { at, head } of marks(handle, kind.mark)) {
      const found = kind.beginning(at, head)
      if (found === null) continue
      // The streams of one piece begin side by side.
      const isBeside: boolean = last !== null && last.end === at
      const isSame: boolean = last !== null && last.form === found.form && kind.mayGoOn
      if (!isBeside && !isSame) starts.push(at)
      last = isBeside ? { ...last!, end: found.end } : found
      if (starts.length === MOST_PIECES) break
    }
    if (starts.length < 2) return []
    return starts.map((from, i) => ({ from, to: starts[i + 1] ?? size }))
  } finally {
    await handle.close()
  }
}

interface Beginning {
  form: string
  end: number
}

interface Kind {
  /** Found at the beginning of pieces, and elsewhere. */
  mark: Buffer
  beginning: (at: number, head: Buffer) => Beginning | null
  /** A piece of the same form needs no decoder of its own. */
  mayGoOn: boolean
}

const KINDS = new Map<string, Kind>([
  ['OggS', { mark: Buffer.from('OggS\0\x02'), beginning: oggBeginning, mayGoOn: true }],
  ['fLaC', { mark: Buffer.from('fLaC'), beginning: flacBeginning, mayGoOn: false }],
])

function oggBeginning(at: number, head: Buffer): Beginning | null {
  if (head.length < PAGE_BYTES) return null
  const segments = head[PAGE_BYTES - 1]!
  const from = PAGE_BYTES + segments
  const bytes = head.subarray(PAGE_BYTES, from).reduce((sum, one) => sum + one, 0)
  return { form: head.toString('latin1', from, from + bytes), end: at + from + bytes }
}

function flacBeginning(at: number, head: Buffer): Beginning | null {
  if (head.length < FLAC_BYTES || (head.readUInt32BE(4) & 0x7fff_ffff) !== 34) return null
  return { form: '', end: at + FLAC_BYTES + 34 }
}

async function* marks(
  handle: FileHandle,
  mark: Buffer,
): AsyncGenerator<{ at: number; head: Buffer }> {
  const block = Buffer.alloc(BLOCK_BYTES + PAGE_HEAD_BYTES + 255)
  for (let from = 0; ; from += BLOCK_BYTES) {
    const { bytesRead } = await handle.read(block, 0, block.length, from)
    const read = block.subarray(0, bytesRead)
    for (
      let at = read.indexOf(mark);
      at >= 0 && at < BLOCK_BYTES;
      at = read.indexOf(mark, at + 1)
    ) {
      yield { at: from + at, head: read.subarray(at, at + PAGE_HEAD_BYTES + 255) }
    }
    if (bytesRead < block.length) return
  }
}
