import { open, type FileHandle } from 'node:fs/promises'
import { readAt } from '../audio/read-at.ts'
import { formOf, tsPieces } from './ts-pieces.ts'

/** A part of a file that is a file by itself, in bytes; `to` is not in it. */
export interface Piece {
  from: number
  to: number
  /** How many audio tracks it has, where that is known. */
  tracks?: number
}

/** A page of Ogg: its header, without and with the longest list of its segments. */
const PAGE_BYTES = 27
const PAGE_HEAD_BYTES = PAGE_BYTES + 255
/** `fLaC` and the head of its first block, which is 34 bytes long. */
const FLAC_BYTES = 8
const BLOCK_BYTES = 1024 * 1024
const HEAD_BYTES = 1024
/** A radio station's recording begins anew with every title; behind so many all else is one piece. */
const MOST_PIECES = 200

/**
 * The pieces of an Ogg or FLAC file that is several files one behind the other (RFC 3533, "chaining"), or of a transport
 * stream whose sound changes, of which ffmpeg reads the first only, or the others wrongly, where their form is another
 * one. None where it is a single file. Throws what the file system does.
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

/** How a piece begins. */
interface Beginning {
  /** What it is made of, as it says. */
  form: string
  /** Where the head of its first stream ends. */
  end: number
}

interface Kind {
  /** The bytes with which pieces begin, among others. */
  mark: Buffer
  /** Null: no piece begins there. */
  beginning: (at: number, head: Buffer) => Beginning | null
  /** A piece of the same form needs no reading by itself. */
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

/** Where a mark is in the file, and what follows. */
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
