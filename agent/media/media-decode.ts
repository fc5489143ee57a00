import { mostSeconds } from './child-limits.ts'
import type { MediaInfo } from './media-info.ts'

export interface DecodeOptions {
  signal: AbortSignal
  /** Told how many seconds are written. */
  onProgress: (seconds: number) => void
  /** Where in the file's time the WAV begins; default: at 0. Exact where `canSeekExactly` says so. */
  fromSeconds?: number
  /** One channel alone, from 0; it has to be there. Default: all of them mixed. */
  channel?: number
  /** What the file is, as `probe` says: how much sound it can hold. Default: nobody knows. */
  media?: Pick<MediaInfo, 'format' | 'durationSeconds'>
}

/** The part of that which ffmpeg is told. */
type DecodeWish = Pick<DecodeOptions, 'fromSeconds' | 'channel' | 'media'> & {
  /** Of the file: how much sound it can hold. Default: nobody knows. */
  sizeBytes?: number
}

/** What ffmpeg is told, apart from the names of the files. */
interface DecodeArgs {
  /** Before the input. */
  before: string[]
  /** After the input. */
  after: string[]
  /** Sound after this time of the file is left out; Infinity: nothing is. */
  limitSeconds: number
}

const RATE = 16_000
/**
 * So much earlier decoding begins than is asked for: codecs and the resampler need some sound to get going, and sound is
 * not always beside the picture at which a film is entered. A whole second is on every sample rate's grid.
 */
const LEAD_SECONDS = 10
const DAY_SECONDS = 24 * 3600
/** How much more sound than its claimed length a file may have. */
const MORE_SHARE = 1.1
const MORE_SECONDS = 60

/** Containers without times of their own: sound is as long as its data. */
const UNTIMED = /^(mp3|wav|w64|flac|aac|ac3|eac3|amr|dts|aiff|au|caf)$/
/** Those whose claimed length is that of what is in them; elsewhere it is that of the first piece, or guessed. */
const TRUE_LENGTH = /^(mov|matroska|avi|asf)(,|$)/

/** How ffmpeg is asked for audio track `track` as 16 kHz, mono, 16 bit. */
export function decodeArgs(track: number, wish: DecodeWish): DecodeArgs {
  const { fromSeconds = 0, channel, media, sizeBytes } = wish
  const seek = Math.max(0, Math.floor(fromSeconds) - LEAD_SECONDS)
  const skip = Math.round((fromSeconds - seek) * RATE)
  const limitSeconds = Math.min(
    limitOf(media),
    sizeBytes === undefined ? Infinity : mostSeconds(sizeBytes),
  )
  // Dropped where it is read: one packet with a wild time would otherwise be preceded by years of silence.
  const limit = limitSeconds === Infinity ? [] : ['-t', Math.max(1, limitSeconds - seek).toFixed(3)]
  const filters = [
    'aresample=async=1:first_pts=0',
    ...(channel === undefined ? [] : [`pan=mono|c0=c${channel}`]),
    `aformat=sample_fmts=s16:sample_rates=${RATE}:channel_layouts=mono`,
    ...(skip === 0 ? [] : [`atrim=start_sample=${skip}`, 'asetpts=PTS-STARTPTS']),
  ]
  const map = ['-map', `0:a:${track}`, '-vn', '-sn', '-dn', '-af', filters.join(',')]
  const wav = ['-ac', '1', '-ar', String(RATE), '-c:a', 'pcm_s16le', '-f', 'wav']
  return {
    before: [...(seek === 0 ? [] : ['-ss', String(seek)]), ...limit],
    after: [...map, ...wav],
    limitSeconds,
  }
}

function limitOf(media: DecodeOptions['media']): number {
  if (media !== undefined && UNTIMED.test(media.format)) return Infinity
  const most = (media?.durationSeconds ?? 0) * MORE_SHARE + MORE_SECONDS
  const believed = media !== undefined && TRUE_LENGTH.test(media.format) && most > MORE_SECONDS
  return believed ? most : Math.max(DAY_SECONDS, most)
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
