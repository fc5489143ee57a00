import type { FileHandle } from 'node:fs/promises'
import type { Piece } from './pieces.ts'

/**
 * Packets of a transport stream (ISO/IEC 13818-1): plain, of a Blu-ray (4 bytes before each), of a broadcaster (16
 * after).
 */
const FORMS = [
  { bytes: 188, before: 0 },
  { bytes: 192, before: 4 },
  { bytes: 204, before: 0 },
]
const SYNC = 0x47
const PACKET_BYTES = 188
/** Packets in a row that identify a stream. */
const SURE = 5
const BLOCK_PACKETS = 8192
const MOST_PIECES = 200
const MOST_SECTION = 1021

/** Stream types of sound. */
const SOUND = new Set([
  0x03, 0x04, 0x0f, 0x11, 0x1c, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87,
])
/** A private stream is sound with one of these descriptors: AC-3, E-AC-3, DTS, AAC (ETSI EN 300 468). */
const PRIVATE = 0x06
const SOUND_DESCRIPTORS = new Set([0x6a, 0x7a, 0x7b, 0x7c])
const REGISTRATION = 0x05
const REGISTERED = /^(AC-3|EAC3|DTS[123]|Opus|BSSD)$/

interface Form {
  bytes: number
  before: number
}

/** PID and stream type. */
type Sound = string

/** Null for other files. */
export function formOf(head: Buffer): Form | null {
  const is = ({ bytes, before }: Form): boolean =>
    head.length > before + bytes * (SURE - 1) &&
    Array.from({ length: SURE }, (_, i) => head[before + i * bytes]).every((one) => one === SYNC)
  return FORMS.find(is) ?? null
}

/**
 * The pieces of a transport stream whose sound moves to another stream or codec: a recorder that changed the channel,
 * concatenated files. ffmpeg would read the first one's to its end. None without such a change.
 */
export async function tsPieces(handle: FileHandle, form: Form): Promise<Piece[]> {
  const { size } = await handle.stat()
  const tables = new Tables()
  const starts: Start[] = []
  const block = Buffer.alloc(form.bytes * BLOCK_PACKETS)
  for (let from = 0; starts.length < MOST_PIECES;) {
    const { bytesRead } = await handle.read(block, 0, block.length, from)
    let at = form.before
    for (; at + PACKET_BYTES <= bytesRead; at += form.bytes) {
      if (block[at] !== SYNC) {
        // Lost bytes, or concatenated files.
        const next = block.indexOf(SYNC, at)
        if (next < 0 || next >= bytesRead) break
        at = next - form.bytes
        continue
      }
      const table = tables.push(block.subarray(at, at + PACKET_BYTES))
      if (table !== null) change(starts, table, from + at - form.before)
    }
    if (bytesRead < block.length) break
    from += Math.max(form.bytes, at - form.before)
  }
  if (starts.length < 2) return []
  return starts.map(({ from, sounds }, i) => ({
    from: i === 0 ? 0 : from,
    to: starts[i + 1]?.from ?? size,
    tracks: sounds.length,
  }))
}

interface Table {
  program: number
  sounds: Sound[]
  programs: ReadonlySet<number>
}

interface Start {
  from: number
  program: number
  sounds: Sound[]
}

/** A piece begins where sound is replaced. Streams that end or are added leave the others as they are. */
function change(starts: Start[], { program, sounds, programs }: Table, from: number): void {
  if (sounds.length === 0) return
  const last = starts.at(-1)
  if (last === undefined) starts.push({ from, program, sounds })
  else if (last.sounds.every((one) => sounds.includes(one))) return
  else if (sounds.every((one) => last.sounds.includes(one))) return
  // Of several programs at once, the first is transcribed.
  else if (last.program === program || !programs.has(last.program)) {
    starts.push({ from, program, sounds })
  }
}

/** Assembles the programme tables of a stream from its packets. */
class Tables {
  #maps = new Set<number>()
  #programs = new Set<number>()
  readonly #open = new Map<number, Buffer>()

  /** @returns a programme's table, when the packet completes it. */
  push(packet: Buffer): Table | null {
    const pid = packet.readUInt16BE(1) & 0x1fff
    if (pid !== 0 && !this.#maps.has(pid)) return null
    const control = (packet[3]! >> 4) & 3
    if ((control & 1) === 0) return null
    let payload = packet.subarray(control === 3 ? 5 + packet[4]! : 4)
    if ((packet[1]! & 0x40) !== 0) {
      payload = payload.subarray(1 + (payload[0] ?? 0))
      this.#open.set(pid, Buffer.from(payload))
    } else {
      const before = this.#open.get(pid)
      if (before === undefined) return null
      this.#open.set(pid, Buffer.concat([before, payload]))
    }
    const section = this.#open.get(pid)!
    if (section.length < 3) return null
    const length = section.readUInt16BE(1) & 0x0fff
    if (length <= MOST_SECTION && section.length < 3 + length) return null
    this.#open.delete(pid)
    if (length < 9 || length > MOST_SECTION) return null
    const whole = section.subarray(0, 3 + length - 4)
    if (pid === 0) this.#associate(whole)
    else if (whole[0] === 0x02) {
      return { program: whole.readUInt16BE(3), sounds: soundsIn(whole), programs: this.#programs }
    }
    return null
  }

  #associate(section: Buffer): void {
    if (section[0] !== 0) return
    this.#maps = new Set()
    this.#programs = new Set()
    for (let at = 8; at + 4 <= section.length; at += 4) {
      const program = section.readUInt16BE(at)
      if (program === 0) continue
      this.#programs.add(program)
      this.#maps.add(section.readUInt16BE(at + 2) & 0x1fff)
    }
  }
}

function soundsIn(section: Buffer): Sound[] {
  const sounds: Sound[] = []
  if (section.length < 12) return sounds
  for (let at = 12 + (section.readUInt16BE(10) & 0x0fff); at + 5 <= section.length;) {
    const type = section[at]!
    const pid = section.readUInt16BE(at + 1) & 0x1fff
    const end = at + 5 + (section.readUInt16BE(at + 3) & 0x0fff)
    const isSound =
      SOUND.has(type) || (type === PRIVATE && saysSound(section.subarray(at + 5, end)))
    if (isSound) sounds.push(`${pid}:${type}`)
    at = end
  }
  return sounds
}

function saysSound(descriptors: Buffer): boolean {
  for (let at = 0; at + 2 <= descriptors.length; at += 2 + descriptors[at + 1]!) {
    const tag = descriptors[at]!
    if (SOUND_DESCRIPTORS.has(tag)) return true
    if (tag === REGISTRATION && REGISTERED.test(descriptors.toString('latin1', at + 2, at + 6)))
      return true
  }
  return false
}
