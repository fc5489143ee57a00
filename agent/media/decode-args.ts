import { mostSeconds } from './child-limits.ts'
import type { Tools } from './find-ffmpeg.ts'
import type { MediaInfo } from './media-info.ts'
import { mixFilters, PLAIN_MIX, type Mix } from './mix.ts'
import type { Clocked } from './pauses.ts'
import { RATE } from '../../shared/wav-header.ts'

export interface DecodeOptions {
  signal: AbortSignal
  /** In seconds of sound. */
  onProgress: (seconds: number) => void
  /** The file's time at which the WAV begins; default: 0. Exact where `canSeekExactly` says so. */
  fromSeconds?: number
  seconds?: number
  /** Default: ffmpeg's own. */
  mix?: Mix
  /** From `probe`; default: unknown. */
  media?: Clocked & Partial<Pick<MediaInfo, 'startSeconds' | 'pieces' | 'format'>>
}

type DecodeWish = Pick<DecodeOptions, 'fromSeconds' | 'seconds' | 'mix' | 'media'> & {
  sizeBytes: number
}

interface DecodeArgs {
  before: string[]
  after: string[]
  /** Decoded before the requested beginning. */
  leadSeconds: number
  /** The rest is left out. */
  limitSeconds: number
}

/**
 * Decoding begins earlier than requested: codecs and the resampler need some sound to start with, and sound may begin
 * beside the picture at which a film is entered. A whole second is on every sample rate's grid.
 */
const LEAD_SECONDS = 10

/**
 * ffmpeg's arguments for an audio track as 16 kHz, mono, 16 bit. Times stay the file's own: ffmpeg would close gaps,
 * begin with what it reads first, and fill up with silence anew whenever the sound's form changes.
 */
export function decodeArgs(track: number, wish: DecodeWish): DecodeArgs {
  const { fromSeconds = 0, seconds, mix = PLAIN_MIX, media, sizeBytes } = wish
  const seek = Math.max(0, Math.floor(fromSeconds) - LEAD_SECONDS)
  const limitSeconds = mostSeconds(sizeBytes)
  const filters = [
    `[0:a:${track}]aresample=${RATE}`,
    ...mixFilters(mix),
    `aformat=sample_fmts=s16:sample_rates=${RATE}:channel_layouts=mono`,
    `atrim=end_sample=${Math.ceil(limitSeconds * RATE)}`,
    // Prints the time of each frame: in a file it would change wherever a clock goes back.
    'ashowinfo[wav]',
  ]
  const part = seconds === undefined ? [] : ['-t', (fromSeconds - seek + seconds).toFixed(3)]
  const entry = seek === 0 ? [] : ['-ss', String(seek)]
  return {
    before: [...(media?.opening ?? []), '-copyts', ...entry, ...part],
    after: [
      '-filter_complex',
      filters.join(','),
      '-map',
      '[wav]',
      '-c:a',
      'pcm_s16le',
      '-f',
      'wav',
    ],
    leadSeconds: fromSeconds - seek,
    limitSeconds,
  }
}

/**
 * ffmpeg's option for longer packets of WAV files. Those of 4 kB that it reads by itself each cost a step of every thread
 * and filter: together twice the time of the rest. Version 4.4 brought it.
 */
export function packetArgs(
  { version }: Pick<Tools, 'version'>,
  format: string | undefined,
): string[] {
  const major = Number(/^n?(\d+)\./.exec(version)?.[1] ?? 0)
  return format === 'wav' && major >= 5 ? ['-max_size', '65536'] : []
}

/** A frame's time (NaN: unknown) and length in samples, by its line; null for other lines. */
export function frameOf(line: string): { time: number; samples: number } | null {
  const match = /\bpts:(-?\d+|NOPTS) .*\bnb_samples:(\d+)\b/.exec(line)
  if (match === null) return null
  return { time: match[1] === 'NOPTS' ? NaN : Number(match[1]), samples: Number(match[2]) }
}

/** Containers without timestamps: the sound is as long as its data. */
const UNTIMED =
  /^(mp3|wav|w64|flac|aac|ac3|eac3|amr|dts|aiff|au|caf|wv|tta|ape|mpc8?|gsm|voc|dss|nistsphere|sox|loas|oma|mulaw|alaw|[usf]\d+(le)?)$/

/** Whether gaps in its times are gaps in the sound. */
export function isTimed(media: DecodeOptions['media']): boolean {
  return media === undefined || !UNTIMED.test(media.format)
}

/** Containers whose times are the recording's; in others the clock begins anywhere. */
const ABSOLUTE = /^(mov|matroska)(,|$)/

/**
 * The file's own time of its beginning, in seconds. A film may begin with silence that is no data (an empty edit), a
 * part of a recorder's at any time: the claimed length decides.
 * @param endSeconds the file's own time at the end of its sound.
 */
export function originOf(media: DecodeOptions['media'], endSeconds: number): number {
  const { startSeconds = 0, durationSeconds = 0, format = '' } = media ?? {}
  if (!ABSOLUTE.test(format)) return startSeconds
  const off = (origin: number): number => Math.abs(endSeconds - origin - durationSeconds)
  return startSeconds <= 0 || off(0) <= off(startSeconds) ? 0 : startSeconds
}

const PCM = /^pcm_/
/** Decoders whose output does not depend on where they begin. AAC's does: it makes up its noise. */
const STEADY = /^(pcm_.*|flac|alac|mp3|opus|vorbis|amr_[nw]b)$/
/** What can be entered at an exact sample. Matroska's times are whole milliseconds, MPEG's jump. */
const EXACT: readonly { format: RegExp; codec: RegExp; film: boolean }[] = [
  { format: /^(wav|w64|aiff|au|caf)$/, codec: PCM, film: false },
  { format: /^(flac|mp3|ogg|amr)$/, codec: STEADY, film: false },
  { format: /^mov,/, codec: STEADY, film: true },
]

/**
 * Whether `decode` with `fromSeconds` gives the same samples as a decode of the whole file, for every track. Otherwise
 * decode from 0.
 */
export function canSeekExactly(media: MediaInfo): boolean {
  if (media.pieces !== undefined) return false
  const film = media.video !== null
  // A film is entered at a picture: sound before the first picture would be lost.
  if ((media.latestStartSeconds ?? 0) > LEAD_SECONDS / 2) return false
  return EXACT.some(
    (kind) =>
      kind.format.test(media.format) &&
      (kind.film || !film) &&
      media.audio.every(({ codec }) => kind.codec.test(codec)),
  )
}
