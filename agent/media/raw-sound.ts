import path from 'node:path'
import { kindOf } from './file-kind.ts'

/** Samples without a usable header. */
interface RawSound {
  /** ffmpeg's name. */
  format: string
  rate: number
  channels: number
  /** Of the first sample, in bytes. */
  from?: number
}

/** Options of ffmpeg and ffprobe for raw samples. */
export function rawArgs({ format, rate, channels, from = 0 }: RawSound): string[] {
  const layout = channels === 1 ? 'mono' : `${channels}c`
  const form = ['-sample_rate', String(rate), '-ch_layout', layout]
  const skip = from === 0 ? [] : ['-skip_initial_bytes', String(from)]
  return ['-format_whitelist', format, '-f', format, ...form, ...skip]
}

const PCM: Record<string, string> = {
  '1/8': 'u8',
  '1/16': 's16le',
  '1/24': 's24le',
  '1/32': 's32le',
  '3/32': 'f32le',
  '3/64': 'f64le',
  '6/8': 'alaw',
  '7/8': 'mulaw',
}
/** The format follows further on. */
const EXTENSIBLE = 0xfffe

/** By a WAV file's `fmt ` chunk; null for other formats than PCM. */
export function rawOfWav(chunk: Buffer, from: number): RawSound | null {
  if (chunk.length < 16) return null
  const tag = chunk.readUInt16LE(0)
  const kind = tag === EXTENSIBLE && chunk.length >= 26 ? chunk.readUInt16LE(24) : tag
  const format = PCM[`${kind}/${chunk.readUInt16LE(14)}`]
  const [channels, rate] = [chunk.readUInt16LE(2), chunk.readUInt32LE(4)]
  return format === undefined || channels === 0 || rate === 0
    ? null
    : { format, rate, channels, from }
}

/** Extensions of telephone recordings without a header (ITU-T G.711): 8 kHz, one channel. */
const TELEPHONE: [RegExp, string, string][] = [
  [/^\.(ul|ulaw|mulaw|pcmu)$/i, 'mulaw', 'mu-law'],
  [/^\.(al|alaw|pcma)$/i, 'alaw', 'A-law'],
]
const HEADER = /^(RIFF|\.snd|OggS|fLaC|ID3|FORM|caff|....ftyp)/s

/** A telephone recording, by its extension, unless its content is of a known kind; else null. */
export async function telephoneSound(
  file: string,
  head: Buffer,
): Promise<{ args: string[]; note: string } | null> {
  const extension = path.extname(file)
  const found = TELEPHONE.find(([names]) => names.test(extension))
  if (found === undefined || HEADER.test(head.toString('latin1', 0, 8))) return null
  if ((await kindOf(file)) !== null) return null
  const [, format, name] = found
  return {
    args: rawArgs({ format, rate: 8000, channels: 1 }),
    note: `The file has no header: it was read as ${name} of telephones (8 kHz, one channel), as its name says.`,
  }
}
