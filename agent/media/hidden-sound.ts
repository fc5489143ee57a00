import type { FileHandle } from 'node:fs/promises'
import { readAt } from '../audio/read-at.ts'

/** So much behind the samples is nothing that was said. */
export const LEAST_REST = 4096
const MOST_CHUNKS = 200
/** Of a chunk of Wave64: its GUID and its length, which counts the head. */
const W64_HEADER = 24

/** How the chunks of a container lie. */
interface Chunks {
  /** Where the first one begins, in bytes. */
  from: number
  headBytes: number
  /** Its length without its head, in bytes, by its head. */
  bytes: (head: Buffer) => bigint
  /** A chunk begins at a multiple of so many bytes. */
  align: number
  /** The chunk of the samples. */
  samples: string
}

const KINDS: { is: (head: Buffer) => boolean; chunks: Chunks }[] = [
  {
    is: (head) => /^FORM....AIF[FC]$/s.test(head.toString('latin1', 0, 12)),
    chunks: {
      from: 12,
      headBytes: 8,
      bytes: (head) => BigInt(head.readUInt32BE(4)),
      align: 2,
      samples: 'SSND',
    },
  },
  {
    is: (head) => head.toString('latin1', 0, 4) === 'caff',
    chunks: {
      from: 8,
      headBytes: 12,
      bytes: (head) => head.readBigInt64BE(4),
      align: 1,
      samples: 'data',
    },
  },
  {
    is: (head) => head.toString('latin1', 0, 4) === 'riff',
    chunks: {
      from: 40,
      headBytes: W64_HEADER,
      bytes: (head) => head.readBigInt64LE(16) - BigInt(W64_HEADER),
      align: 8,
      samples: 'data',
    },
  },
]

/**
 * How much lies behind the samples of an AIFF, CAF or Wave64 file that is no chunk: sound of which its header does not
 * know, as of a recorder that died. 0 where there is none, or it is another file.
 */
export async function hiddenBytes(handle: FileHandle, head: Buffer, size: number): Promise<number> {
  const kind = KINDS.find(({ is }) => is(head))
  if (kind === undefined) return 0
  const { chunks } = kind
  let at = chunks.from
  for (let count = 0; count < MOST_CHUNKS; count++) {
    const chunk = await chunkAt(handle, at, chunks)
    if (chunk === null) return 0
    at = chunk.end
    if (chunk.name !== chunks.samples) continue
    const rest = size - at
    const next = rest <= LEAST_REST ? null : await chunkAt(handle, at, chunks)
    const isChunk = next !== null && /^[\w ]{4}$/.test(next.name) && next.end <= size + chunks.align
    return rest <= LEAST_REST || isChunk ? 0 : rest
  }
  return 0
}

async function chunkAt(
  handle: FileHandle,
  at: number,
  { headBytes, bytes, align }: Chunks,
): Promise<{ name: string; end: number } | null> {
  const head = await readAt(handle, at, headBytes)
  if (head.length < headBytes) return null
  const length = bytes(head)
  // Whoever wrote it did not know how long it would be: it goes on to the end.
  if (length < 0n || length > BigInt(Number.MAX_SAFE_INTEGER)) return null
  const end = at + headBytes + Number(length)
  return { name: head.toString('latin1', 0, 4), end: Math.ceil(end / align) * align }
}
