import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { pipeline as flow } from 'node:stream/promises'
import { AppError, isSystemError } from '../shared/errors.ts'
import type { Transcript } from '../shared/transcript.ts'
import type { Engine } from './engines/engine.ts'
import type { Tools } from './ffmpeg.ts'
import { renderMarkdown } from './markdown.ts'
import { decode, extractSubtitles, probe } from './media.ts'
import type { AudioTrack, MediaInfo, SubtitleTrack } from './media-info.ts'
import { resultMetadata } from './metadata.ts'
import { overall, type Report, type Stage } from './progress.ts'
import { chooseSubtitles, chooseTrack, languageCode, warningsOf } from './tracks.ts'
import { readWavHeader } from './wav.ts'

export interface ConvertInput {
  sourcePath: string
  /** What the file is called for people; the source may have another name here. */
  filename: string
  /** `audio` or `video`: which form the text has. */
  contentType: string
  /** The job's own; `language` is understood. */
  taskOptions: Record<string, unknown>
  /** A folder of this attempt alone; what is put there is removed again. */
  workDir: string
  /** Of the source, in hex, where the caller knows it. */
  sha256?: string
  signal: AbortSignal
  report: Report
}

export interface Converted {
  /** Markdown. */
  content: string
  metadata: Record<string, unknown>
  transcript: Transcript
}

/** From a media file to its text. Several conversions may run at once. */
export interface Pipeline {
  /**
   * @throws {AppError} what an attempt can end with: `invalid_media`, `no_audio`, `unsupported_media`,
   * `unsupported_language`, `source_missing`, `engine_failed`, …; the signal's reason when aborted.
   */
  convert(input: ConvertInput): Promise<Converted>
  /** Ends the engine's processes. */
  close(): Promise<void>
}

export interface PipelineParts {
  tools: Tools
  engine: Engine
}

export function createPipeline(parts: PipelineParts): Pipeline {
  return {
    convert: (input) => convert(parts, { ...input, report: forwardOnly(input.report) }),
    close: () => parts.engine.close(),
  }
}

/** The text of a file, and where it comes from. */
interface Heard {
  transcript: Transcript
  track: AudioTrack | null
  /** How much of the track could be decoded. */
  heardSeconds: number
  subtitles: SubtitleTrack | null
}

async function convert(parts: PipelineParts, input: ConvertInput): Promise<Converted> {
  const { sourcePath, filename, signal, report } = input
  signal.throwIfAborted()
  const kind = kindOf(input.contentType)
  const language = languageOf(input.taskOptions)
  report({ stage: 'probing', ratio: overall('probing', 0) })
  const fileSizeBytes = await sizeOf(sourcePath)
  const media = await probe(parts.tools, sourcePath, { signal })
  const heard =
    (await listen(parts, input, media, language)) ?? (await read(parts, input, media, language))
  const { track, transcript } = heard
  // A film goes on where its sound has ended; a recording is as long as it sounds.
  if (kind === 'video') {
    transcript.durationSeconds = Math.max(transcript.durationSeconds, media.durationSeconds)
  }
  report({ stage: 'rendering', ratio: overall('rendering', 0) })
  const metadata = resultMetadata({
    kind,
    transcript,
    engine: track && parts.engine.info,
    media,
    track,
    warnings: warningsOf({ kind, media, ...heard }),
    fileName: filename,
    fileSizeBytes,
    checksum: input.sha256 ?? (await sha256Of(sourcePath, signal)),
  })
  const { video, chapters } = media
  const content = renderMarkdown({ kind, filename, ...transcript, video, chapters, audio: track })
  return { content, metadata, transcript }
}

/** What is said in the file, or null when there is nothing to hear in it. */
async function listen(
  { tools, engine }: PipelineParts,
  { sourcePath, workDir, signal, report }: ConvertInput,
  media: MediaInfo,
  language: string | null,
): Promise<Heard | null> {
  const track = chooseTrack(media.audio, language)
  if (track === null) return null
  let mediaSeconds = media.durationSeconds
  const tell = (stage: Stage, processedSeconds: number): void => {
    const within = mediaSeconds > 0 ? processedSeconds / mediaSeconds : 0
    const known = mediaSeconds > 0 ? { mediaSeconds } : {}
    const heard = stage === 'transcribing' ? { processedSeconds } : {}
    report({ stage, ratio: overall(stage, within), ...known, ...heard })
  }
  const wavPath = path.join(workDir, 'audio.wav')
  try {
    await mkdir(workDir, { recursive: true })
    tell('decoding', 0)
    const onProgress = (seconds: number): void => tell('decoding', seconds)
    const sounds = await decode(tools, sourcePath, track.index, wavPath, {
      signal,
      onProgress,
    }).then(
      () => true,
      (error: unknown) => {
        if (error instanceof AppError && error.code === 'no_audio') return false
        throw error
      },
    )
    if (!sounds) return null
    mediaSeconds = (await readWavHeader(wavPath)).durationSeconds
    tell('loading', 0)
    await engine.prepare(signal)
    tell('transcribing', 0)
    const transcript = await engine.transcribe({
      wavPath,
      durationSeconds: mediaSeconds,
      language,
      workDir,
      signal,
      onProgress: (seconds) => tell('transcribing', seconds),
    })
    return { transcript: { ...transcript }, track, heardSeconds: mediaSeconds, subtitles: null }
  } finally {
    await rm(wavPath, { force: true })
  }
}

/**
 * What a file without sound has to say: its subtitles, or its chapters alone.
 * @throws {AppError} `no_audio` when it has neither.
 */
async function read(
  { tools }: PipelineParts,
  { sourcePath, filename, signal }: ConvertInput,
  media: MediaInfo,
  language: string | null,
): Promise<Heard> {
  const subtitles = chooseSubtitles(media.subtitles, language)
  if (subtitles === null && media.chapters.length === 0) {
    throw new AppError(
      'no_audio',
      `'${filename}' has nothing to hear: no audio track, subtitles or chapters.`,
    )
  }
  const segments =
    subtitles === null ? [] : await extractSubtitles(tools, sourcePath, subtitles.index, { signal })
  const { durationSeconds } = media
  const transcript = {
    language: languageCode(subtitles?.language ?? null),
    durationSeconds,
    segments,
  }
  return { transcript, track: null, heardSeconds: 0, subtitles }
}

function kindOf(contentType: string): 'audio' | 'video' {
  if (contentType === 'audio' || contentType === 'video') return contentType
  throw new AppError(
    'unsupported_media',
    `This agent converts audio and video, not '${contentType}'.`,
  )
}

/** The language a job asks for, or null when the engine is to decide. */
function languageOf({ language }: Record<string, unknown>): string | null {
  if (language === undefined || language === null) return null
  if (typeof language !== 'string') {
    throw new AppError(
      'unsupported_language',
      `A job's language is a code like 'en', not ${JSON.stringify(language)}.`,
    )
  }
  const code = language.trim()
  return code === '' || code.toLowerCase() === 'auto' ? null : code
}

/** Progress that never goes back, whatever the tools say of theirs. */
function forwardOnly(report: Report): Report {
  let reached = 0
  return (progress) => {
    reached = Math.max(reached, progress.ratio)
    report({ ...progress, ratio: reached })
  }
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size
  } catch (error) {
    if (!isSystemError(error, 'ENOENT', 'ENOTDIR')) throw error
    throw new AppError('source_missing', 'The file is not there.', { cause: error })
  }
}

async function sha256Of(file: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256')
  try {
    await flow(createReadStream(file), hash, { signal })
  } catch (error) {
    signal.throwIfAborted()
    throw error
  }
  return hash.digest('hex')
}
