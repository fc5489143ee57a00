import type { FileHandle } from 'node:fs/promises'
import { readAt } from '../audio/wav.ts'

/** A shorter rest holds no speech. */
export const LEAST_REST = 4096
const MOST_CHUNKS = 200
/** A GUID and a length, which includes this header. */
const W64_HEADER = 24

interface Chunks {
  is: (head: Buffer) => boolean
  /** Of the first chunk, in bytes. */
  from: number
  headBytes: number
  /** The length of a chunk without its header, by its header. */
  bytes: (head: Buffer) => bigint
  /** Chunks begin at multiples of this. */
  align: number
  /** The name of the chunk with the samples. */
  samples: string
}

const KINDS: readonly Chunks[] = [
  {
    is: (head) => /^FORM....AIF[FC]$/s.test(head.toString('latin1', 0, 12)),
    from: 12,
    headBytes: 8,
    bytes: (head) => BigInt(head.readUInt32BE(4)),
    align: 2,
    samples: 'SSND',
  },
  {
    is: (head) => head.toString('latin1', 0, 4) === 'caff',
    from: 8,
    headBytes: 12,
    bytes: (head) => head.readBigInt64BE(4),
    align: 1,
    samples: 'data',
  },
  {
    is: (head) => head.toString('latin1', 0, 4) === 'riff',
    from: 40,
    headBytes: W64_HEADER,
    bytes: (head) => head.readBigInt64LE(16) - BigInt(W64_HEADER),
    align: 8,
    samples: 'data',
  },
]

/**
 * The bytes behind the samples of an AIFF, CAF or Wave64 file that are no chunk: sound that the header does not count,
 * as after a crash of the recorder. 0 for none, and for other files.
 */
export async function hiddenBytes(handle: FileHandle, head: Buffer, size: number): Promise<number> {
  const chunks = KINDS.find(({ is }) => is(head))
  if (chunks === undefined) return 0
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
  // The writer did not know the length: it goes to the end.
  if (length < 0n || length > BigInt(Number.MAX_SAFE_INTEGER)) return null
  const end = at + headBytes + Number(length)
  return { name: head.toString('latin1', 0, 4), end: Math.ceil(end / align) * align }
}
