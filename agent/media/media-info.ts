import { AppError } from '../../shared/errors.ts'
import { mostSeconds } from './child-limits.ts'
import { isAbsurd, MOST_CHAPTERS, MOST_LANGUAGE, probed, type Probed } from './media-probe.ts'
import { mimeOf } from './media-type.ts'
import { kindOfSound, kindOfSubtitles } from './stream-kind.ts'
import type { Piece } from './pieces.ts'

export interface AudioTrack {
  /** Among the audio tracks, from 0. */
  index: number
  codec: string
  sampleRate: number
  channels: number
  /** ffmpeg's name of what more than two channels are (`5.1(side)`); left out when the file does not say. */
  layout?: string
  /** As the file tags it, usually ISO 639-2 (`eng`); null when it does not say. */
  language: string | null
  default: boolean
  /** What it is called; left out when it has no title. */
  title?: string
  /** What is said on it about the film; left out when it is what is said in it. */
  aside?: 'commentary' | 'description'
  /** Bits of one sample; left out for codecs whose samples have none. */
  bitDepth?: number
  /** Its own length, where the container says it, in seconds. */
  durationSeconds?: number
  /** No decoder is known for it. */
  unreadable?: true
}

export interface SubtitleTrack {
  /** Among the subtitle tracks, from 0. */
  index: number
  codec: string
  language: string | null
  /** Whether it is text; the others are pictures of text. */
  text: boolean
  /** Only what is in a foreign language in the film, or on its signs. */
  forced?: boolean
  /** For who does not hear: noises and names beside what is said. */
  hearingImpaired?: boolean
  /** What somebody says of the film. */
  commentary?: boolean
}

interface VideoTrack {
  width: number
  height: number
  /** Frames per second, 0 when unknown. */
  fps: number
  codec: string
}

interface Chapter {
  startSeconds: number
  endSeconds: number
  title: string
}

/** What is in a media file. */
export interface MediaInfo {
  /** What the container says, 0 when it says nothing that can be; an estimate for raw streams. */
  durationSeconds: number
  /** `durationSeconds` is an estimate from its size. */
  isLengthGuessed?: true
  /** What it says although a file of its size cannot be so long. */
  claimedSeconds?: number
  /** The file's own time at which it begins, in seconds; left out when that is 0. */
  startSeconds?: number
  /** What ffmpeg and ffprobe are told before the file's name, to read it as it is; left out when nothing is. */
  opening?: string[]
  /** Its header tells of more sound than it has. */
  isCutOff?: true
  /** A sentence on how it is read; left out where it is read as it says. */
  note?: string
  /** The parts that have to be decoded each by itself; left out where it is a single file. */
  pieces?: Piece[]
  /** When the last of its sounds and pictures begins; left out when it is the file's beginning. */
  latestStartSeconds?: number
  /** ffprobe's name of the container: `mp3`, `matroska,webm`, … */
  format: string
  mimeType?: string
  /** Bits per second of the whole file; left out when nobody knows. */
  bitRate?: number
  /** When it was made, as the file says it (ISO 8601); left out when it does not. */
  creationTime?: string
  audio: AudioTrack[]
  /** The first moving picture; a cover is none. */
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
 * What ffprobe's JSON says of a file, when it is asked for what `PROBED` lists.
 * @throws {AppError} `invalid_media` when it says nothing usable.
 */
export function parseProbe(json: string): MediaInfo {
  const parsed = probed.safeParse(parseJson(json))
  if (!parsed.success) throw new AppError('invalid_media', 'ffprobe cannot say what the file is.')
  const info = describe(parsed.data)
  // ffprobe takes a name's extension for a hint, and so finds an mp3 without any properties in `noise.mp3`.
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
  const mimeType = mimeOf(
    format.format_name,
    format.tags['major_brand'] ?? '',
    codecs,
    moving !== undefined,
  )
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

/** Matroska's is a tag: `00:00:11.064000000`. */
function lengthOf({
  duration,
  tags,
}: Probed['streams'][number]): Pick<AudioTrack, 'durationSeconds'> {
  const [, h, m, s] = /^(\d+):(\d\d):(\d\d\.\d+)$/.exec(tags['DURATION'] ?? '') ?? []
  const seconds = s === undefined ? duration : Number(h) * 3600 + Number(m) * 60 + Number(s)
  return seconds > 0 ? { durationSeconds: seconds } : {}
}

function layoutOf({
  channels,
  channel_layout: layout,
}: Probed['streams'][number]): Pick<AudioTrack, 'layout'> {
  return channels > 2 && !/^(unknown)?$/.test(layout) ? { layout } : {}
}

function depthOf({
  bits_per_raw_sample: raw,
  bits_per_sample: coded,
}: Probed['streams'][number]): Pick<AudioTrack, 'bitDepth'> {
  const bitDepth = raw || coded
  return bitDepth > 0 ? { bitDepth } : {}
}

/** Cameras that lost their clock write 1970, or 1904, in which QuickTime's begins: that is no date. */
function creationOf(tags: Record<string, string>): Pick<MediaInfo, 'creationTime'> {
  const creationTime = tags['creation_time'] ?? ''
  return Number(creationTime.slice(0, 4)) > 1970 ? { creationTime } : {}
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function languageOf(tags: Record<string, string>): string | null {
  const tag = (tags['language'] ?? '').toLowerCase().slice(0, MOST_LANGUAGE)
  return tag === '' || tag === 'und' || tag === 'unk' ? null : tag
}

/** A rate as ffprobe writes it: `30000/1001`; `0/0` is none. */
function rate(fraction: string): number {
  const [over = 0, under = 1] = fraction.split('/').map(Number)
  return over > 0 && under > 0 ? Math.round((over / under) * 1000) / 1000 : 0
}
