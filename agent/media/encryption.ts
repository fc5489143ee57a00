import { open } from 'node:fs/promises'
import type { Mp4Facts } from './mp4-boxes.ts'

const HEAD_BYTES = 256 * 1024
/** Marks are in headers: further on they may occur by chance. */
const MARK_BYTES = 64 * 1024
const TABLE_BYTES = 8 * 1024

/** DRM by a mark in the header: the bytes of the file's kind, and the mark, in hex. */
const MARKS: { at: number; kind: string; mark: string; what: string }[] = [
  { at: 0, kind: '3026b275', mark: 'fbb3112223bdd211b4b700a0c955fc6e', what: 'Windows Media DRM' },
  { at: 0, kind: '3026b275', mark: '14e68a292226174cb935dae07ee9289c', what: 'Windows Media DRM' },
  // A content encoding of the type encryption.
  { at: 0, kind: '1a45dfa3', mark: '50338101', what: 'DRM' },
  { at: 4, kind: '66747970616178', mark: '66747970616178', what: 'Audible DRM' },
  { at: 4, kind: '57907536', mark: '57907536', what: 'Audible DRM' },
]

/** What encrypts a file's sound, or null. @throws the file system's errors. */
export async function encryptionOf(file: string, mp4: Mp4Facts | null): Promise<string | null> {
  const sounds = mp4?.sounds ?? []
  if (sounds.length > 0 && sounds.every((one) => one === 'drms')) return 'iTunes DRM'
  if (sounds.length > 0 && sounds.every((one) => /^(enca|drms|aavd)$/.test(one))) return 'DRM'
  const handle = await open(file)
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0)
    const head = buffer.subarray(0, bytesRead)
    const near = head.subarray(0, MARK_BYTES)
    const marked = MARKS.find(
      ({ at, kind, mark }) =>
        near.subarray(at).indexOf(kind, 0, 'hex') === 0 && near.includes(mark, 0, 'hex'),
    )
    return marked?.what ?? transportEncryption(head)
  } finally {
    await handle.close()
  }
}

const SYNC = 0x47
const NOTHING_PID = 0x1fff
/** Apple's marks of encrypted sound in a programme table. */
const SAMPLE_AES = ['zaac', 'zac3', 'zec3', 'aacd', 'ac3d']

/** Of an MPEG transport stream: most packets are scrambled, or its table says so. */
function transportEncryption(head: Buffer): string | null {
  const packet = [188, 192].find((size) => isTransport(head, size === 192 ? 4 : 0, size))
  if (packet === undefined) return null
  let all = 0
  let scrambled = 0
  for (let at = packet === 192 ? 4 : 0; at + 188 <= head.length; at += packet) {
    const pid = head.readUInt16BE(at + 1) & 0x1fff
    const hasPayload = (head[at + 3]! & 0x10) !== 0
    if (head[at] !== SYNC || pid === NOTHING_PID || !hasPayload) continue
    all += 1
    if ((head[at + 3]! & 0xc0) !== 0) scrambled += 1
  }
  if (all > 0 && scrambled > all / 2) return 'the scrambling of a broadcaster'
  return SAMPLE_AES.some((mark) => head.subarray(0, TABLE_BYTES).includes(mark))
    ? 'SAMPLE-AES'
    : null
}

function isTransport(head: Buffer, from: number, size: number): boolean {
  if (head.length < from + 3 * size) return false
  return [0, 1, 2].every((count) => head[from + count * size] === SYNC)
}
