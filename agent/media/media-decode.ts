import { mostSeconds } from './child-limits.ts'
import type { MediaInfo } from './media-info.ts'
import { mixFilters, PLAIN_MIX, type Mix } from './mix.ts'
import type { Clocked } from './pauses.ts'
import { RATE } from '../audio/wav-write.ts'

export interface DecodeOptions {
  signal: AbortSignal
  /** Told how many seconds are decoded. */
  onProgress: (seconds: number) => void
  /** Where in the file's time the WAV begins; default: at 0. Exact where `canSeekExactly` says so. */
  fromSeconds?: number
  /** How much is decoded; default: all. */
  seconds?: number
  /** How its channels become one; default: as ffmpeg mixes them. */
  mix?: Mix
  /** What the file is, as `probe` says: when it begins, and how it is opened. Default: nobody knows. */
  media?: Clocked & Partial<Pick<MediaInfo, 'startSeconds' | 'pieces'>>
}

/** The part of that which ffmpeg is told. */
type DecodeWish = Pick<DecodeOptions, 'fromSeconds' | 'seconds' | 'mix' | 'media'> & {
  /** Of the file: how much sound it can hold. */
  sizeBytes: number
}

/** What ffmpeg is told, apart from the names of the files. */
interface DecodeArgs {
  /** Before the input. */
  before: string[]
  /** After the input. */
  after: string[]
  /** So much is decoded before what is asked for. */
  leadSeconds: number
  /** What is decoded beyond this is left out. */
  limitSeconds: number
}

/**
 * So much earlier decoding begins than is asked for: codecs and the resampler need some sound to get going, and sound is
 * not always beside the picture at which a film is entered. A whole second is on every sample rate's grid.
 */
const LEAD_SECONDS = 10

/**
 * How ffmpeg is asked for audio track `track` as 16 kHz, mono, 16 bit. Times are the file's own: ffmpeg would close
 * gaps, begin with what it reads first, and fill up with silence anew whenever the sound's form changes.
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
    // Prints the time of each frame: on its way into a file it would be changed wherever a clock goes back.
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

/** When a frame of the WAV is to be heard (NaN: unknown) and how long it is, in samples, by its line; null for another. */
export function frameOf(line: string): { time: number; samples: number } | null {
  const match = /\bpts:(-?\d+|NOPTS) .*\bnb_samples:(\d+)\b/.exec(line)
  if (match === null) return null
  return { time: match[1] === 'NOPTS' ? NaN : Number(match[1]), samples: Number(match[2]) }
}

/** Containers without times of their own: sound is as long as its data, whatever is computed from a header. */
const UNTIMED =
  /^(mp3|wav|w64|flac|aac|ac3|eac3|amr|dts|aiff|au|caf|wv|tta|ape|mpc8?|gsm|voc|dss|nistsphere|sox|loas|oma|mulaw|alaw|[usf]\d+(le)?)$/

/** Whether sound of it has gaps. */
export function isTimed(media: DecodeOptions['media']): boolean {
  return media === undefined || !UNTIMED.test(media.format)
}

/** Containers whose times are those of the recording; the clock of others begins anywhere. */
const ABSOLUTE = /^(mov|matroska)(,|$)/

/**
 * The file's own time that is its beginning, in seconds. A film may begin with silence that is no data (an empty edit),
 * a recorder's part at whatever time it is: the claimed length tells which.
 * @param endSeconds the file's own time at the end of its sound.
 */
export function originOf(media: DecodeOptions['media'], endSeconds: number): number {
  const { startSeconds = 0, durationSeconds = 0, format = '' } = media ?? {}
  if (!ABSOLUTE.test(format)) return startSeconds
  const off = (origin: number): number => Math.abs(endSeconds - origin - durationSeconds)
  return startSeconds <= 0 || off(0) <= off(startSeconds) ? 0 : startSeconds
}

const PCM = /^pcm_/
/** Whose decoders give the same sound wherever they begin. AAC is not among them: it makes up its noise anew. */
const STEADY = /^(pcm_.*|flac|alac|mp3|opus|vorbis|amr_[nw]b)$/
/** What of a container can be entered at an exact sample. Matroska's times are whole milliseconds, MPEG's jump. */
const EXACT: readonly { format: RegExp; codec: RegExp; film: boolean }[] = [
  { format: /^(wav|w64|aiff|au|caf)$/, codec: PCM, film: false },
  { format: /^(flac|mp3|ogg|amr)$/, codec: STEADY, film: false },
  { format: /^mov,/, codec: STEADY, film: true },
]

/**
 * Whether `decode` with `fromSeconds` gives the samples that a decode of the whole file has there. It does so for every
 * track or for none: where it is false, decode from 0.
 */
export function canSeekExactly(media: MediaInfo): boolean {
  if (media.pieces !== undefined) return false
  const film = media.video !== null
  // A film is entered at a picture: sound before the first one would be missed.
  if ((media.latestStartSeconds ?? 0) > LEAD_SECONDS / 2) return false
  return EXACT.some(
    (kind) =>
      kind.format.test(media.format) &&
      (kind.film || !film) &&
      media.audio.every(({ codec }) => kind.codec.test(codec)),
  )
}
