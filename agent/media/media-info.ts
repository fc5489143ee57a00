import { tryJson } from '../../shared/body-text.ts'
import { clockSeconds } from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'
import { mostSeconds } from './child-limits.ts'
import {
  isAbsurd,
  MOST_CHAPTERS,
  MOST_LANGUAGE,
  probed,
  type Probed,
  type Stream,
} from './media-probe.ts'
import { mimeOf } from './media-type.ts'
import { kindOfSound, kindOfSubtitles } from './stream-kind.ts'
import type { Piece } from './pieces.ts'

export interface AudioTrack {
  index: number
  codec: string
  sampleRate: number
  channels: number
  /** ffmpeg's name of a layout of more than two channels (`5.1(side)`). */
  layout?: string
  /** The file's tag, usually ISO 639-2 (`eng`). */
  language: string | null
  default: boolean
  title?: string
  /** A track about the film; absent for its own sound. */
  about?: 'commentary' | 'description'
  /** Bits of one sample, for codecs that have such. */
  bitDepth?: number
  /** Where the container gives the track's length. */
  durationSeconds?: number
  unreadable?: true
}

export interface SubtitleTrack {
  index: number
  codec: string
  language: string | null
  /** Text, not pictures of text. */
  text: boolean
  /** Only foreign-language parts and signs. */
  forced?: boolean
  /** With noises and names, for the deaf and hard of hearing. */
  hearingImpaired?: boolean
  commentary?: boolean
}

interface VideoTrack {
  width: number
  height: number
  fps: number
  codec: string
}

interface Chapter {
  startSeconds: number
  endSeconds: number
  title: string
}

export interface MediaInfo {
  /** As the container claims; 0 without a plausible claim; an estimate for raw streams. */
  durationSeconds: number
  /** An estimate from the size. */
  isLengthGuessed?: true
  /** A claim that is impossible for a file of this size. */
  claimedSeconds?: number
  /** The file's own time of its beginning, unless 0. */
  startSeconds?: number
  /** Options of ffmpeg and ffprobe before the file's name. */
  opening?: string[]
  /** The header claims more sound than there is. */
  isCutOff?: true
  /** A sentence for people on how the file is read. */
  note?: string
  pieces?: Piece[]
  /** When the last sound or picture begins, unless 0. */
  latestStartSeconds?: number
  /** ffprobe's name: `mp3`, `matroska,webm`, … */
  format: string
  mimeType?: string
  /** Of the whole file, in bits per second. */
  bitRate?: number
  /** When it was made, as the file says (ISO 8601). */
  creationTime?: string
  audio: AudioTrack[]
  /** The first moving picture; covers do not count. */
  video: VideoTrack | null
  chapters: Chapter[]
  subtitles: SubtitleTrack[]
}

const TEXT_SUBTITLES = new Set([
  'subrip',
  'srt',
  'ass',
  'ssa',
  'mov_text',
  'webvtt',
  'text',
  'ttml',
])

/**
 * Reads ffprobe's JSON with the entries of `PROBED`.
 * @throws {AppError} `invalid_media` when it is not usable.
 */
export function parseProbe(json: string): MediaInfo {
  const parsed = probed.safeParse(tryJson(json))
  if (!parsed.success) throw new AppError('invalid_media', 'ffprobe cannot say what the file is.')
  const info = describe(parsed.data)
  // ffprobe takes a file's extension for a hint: it finds an mp3 without properties in `noise.mp3`.
  if (info.audio.length === 0 && info.video === null && info.subtitles.length === 0) {
    const absurd = parsed.data.streams.find(isAbsurd)
    throw new AppError(
      'invalid_media',
      absurd === undefined
        ? 'Nothing in the file is readable as audio or video.'
        : `The file says that its sound has ${absurd.sample_rate} Hz and ${absurd.channels} channel(s): there is no such sound.`,
    )
  }
  return info
}

function describe({ format, streams, chapters }: Probed): MediaInfo {
  const audio = streams.filter(({ codec_type }) => codec_type === 'audio')
  const subtitles = streams.filter(({ codec_type }) => codec_type === 'subtitle')
  const moving = streams.find(
    ({ codec_type, disposition }) => codec_type === 'video' && !disposition['attached_pic'],
  )
  const codecs = streams.map(({ codec_name }) => codec_name)
  const brand = format.tags['major_brand'] ?? ''
  const mimeType = mimeOf(format.format_name, brand, codecs, moving !== undefined)
  const starts = [...audio, ...(moving ? [moving] : [])].map(({ start_time }) => start_time)
  const latestStartSeconds = Math.max(0, ...starts)
  const startSeconds = format.start_time
  const claimed = Math.max(0, format.duration, ...streams.map(({ duration }) => duration))
  const isBelieved = format.size <= 0 || claimed <= mostSeconds(format.size)
  return {
    durationSeconds: isBelieved ? claimed : 0,
    ...(isBelieved ? {} : { claimedSeconds: claimed }),
    ...(startSeconds === 0 ? {} : { startSeconds }),
    ...(latestStartSeconds === 0 ? {} : { latestStartSeconds }),
    format: format.format_name,
    ...(mimeType === undefined ? {} : { mimeType }),
    ...(format.bit_rate > 0 ? { bitRate: format.bit_rate } : {}),
    ...creationOf(format.tags),
    audio: audio
      .map((stream, index) => ({ stream, index }))
      .filter(({ stream }) => stream.sample_rate > 0 && stream.channels > 0 && !isAbsurd(stream))
      .map(({ stream, index }) => ({
        index,
        codec: stream.codec_name,
        sampleRate: stream.sample_rate,
        channels: stream.channels,
        ...layoutOf(stream),
        language: languageOf(stream.tags),
        default: Boolean(stream.disposition['default']),
        ...kindOfSound(stream),
        ...depthOf(stream),
        ...lengthOf(stream),
        ...(/^(unknown|none)?$/.test(stream.codec_name) ? { unreadable: true as const } : {}),
      })),
    video: moving
      ? {
          width: moving.width,
          height: moving.height,
          fps: rate(moving.avg_frame_rate) || rate(moving.r_frame_rate),
          codec: moving.codec_name,
        }
      : null,
    chapters: chapters
      .slice(0, MOST_CHAPTERS)
      .map(({ start_time, end_time, tags }) => ({
        startSeconds: Math.max(0, start_time),
        endSeconds: end_time,
        title: tags['title'] ?? '',
      }))
      .toSorted((a, b) => a.startSeconds - b.startSeconds),
    subtitles: subtitles.map((stream, index) => ({
      index,
      codec: stream.codec_name,
      language: languageOf(stream.tags),
      text: TEXT_SUBTITLES.has(stream.codec_name),
      ...kindOfSubtitles(stream),
    })),
  }
}

/** In Matroska a tag: `00:00:11.064000000`. */
function lengthOf({ duration, tags }: Stream): Pick<AudioTrack, 'durationSeconds'> {
  const tag = tags['DURATION'] ?? ''
  const seconds = /^\d+:\d\d:\d\d\.\d+$/.test(tag) ? clockSeconds(tag) : duration
  return seconds > 0 ? { durationSeconds: seconds } : {}
}

function layoutOf({ channels, channel_layout: layout }: Stream): Pick<AudioTrack, 'layout'> {
  return channels > 2 && !/^(unknown)?$/.test(layout) ? { layout } : {}
}

function depthOf(stream: Stream): Pick<AudioTrack, 'bitDepth'> {
  const bitDepth = stream.bits_per_raw_sample || stream.bits_per_sample
  return bitDepth > 0 ? { bitDepth } : {}
}

/** Cameras without a clock write 1970, or QuickTime's 1904. */
function creationOf(tags: Record<string, string>): Pick<MediaInfo, 'creationTime'> {
  const creationTime = tags['creation_time'] ?? ''
  return Number(creationTime.slice(0, 4)) > 1970 ? { creationTime } : {}
}

function languageOf(tags: Record<string, string>): string | null {
  const tag = (tags['language'] ?? '').toLowerCase().slice(0, MOST_LANGUAGE)
  return tag === '' || tag === 'und' || tag === 'unk' ? null : tag
}

/** As ffprobe writes it: `30000/1001`; `0/0` is none. */
function rate(fraction: string): number {
  const [over = 0, under = 1] = fraction.split('/').map(Number)
  return over > 0 && under > 0 ? Math.round((over / under) * 1000) / 1000 : 0
}
