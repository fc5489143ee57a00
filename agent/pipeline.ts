import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, stat } from 'node:fs/promises'
import { pipeline as flow } from 'node:stream/promises'
import { AppError, isSystemError } from '../shared/errors.ts'
import type { Transcript } from '../shared/transcript.ts'
import { formArtifacts, keyFrameArtifacts, writeForms, type Artifact } from './artifacts.ts'
import type { Engine } from './engines/engine.ts'
import type { Tools } from './ffmpeg.ts'
import { readJobOptions } from './job-options.ts'
import { listen, type Heard } from './listening.ts'
import { renderMarkdown } from './markdown.ts'
import { probe } from './media.ts'
import { resultMetadata } from './metadata.ts'
import { overall, type Report } from './progress.ts'
import type { Slots } from './slots.ts'
import type { SpeakerSettings } from './speakers.ts'
import type { SpeechFinder } from './speech-finder.ts'
import { readSubtitles, subtitlesToPrefer } from './subtitles.ts'
import { warningsOf } from './tracks.ts'

export interface ConvertInput {
  /** For the slot's memory of what failed on it. */
  jobId: string
  sourcePath: string
  /** What the file is called for people; the source may have another name here. */
  filename: string
  /** `audio` or `video`: which form the text has. */
  contentType: string
  /** The job's own; what is not on the list of job-options.ts is reported and left out. */
  taskOptions: Record<string, unknown>
  /** A folder of this attempt alone; the caller removes it. */
  workDir: string
  /** Of the source, in hex, where the caller knows it. */
  sha256?: string
  /** How far an earlier attempt came; of use with `sha256` only. */
  checkpoint?: unknown
  /** Told after each finished part, for whoever may have to go on. */
  onCheckpoint?: (checkpoint: Record<string, unknown>) => void
  signal: AbortSignal
  report: Report
}

export interface Converted {
  /** Markdown. */
  content: string
  metadata: Record<string, unknown>
  transcript: Transcript
  /** Files beside the text, in the work folder. */
  artifacts: Artifact[]
}

/** From a media file to its text. Several conversions may run at once, as many recognitions as there are slots. */
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
  slots: Slots
  finder: SpeechFinder
  speakers: SpeakerSettings
  /** The models that a job may choose from. */
  models: readonly string[]
}

export function createPipeline(parts: PipelineParts): Pipeline {
  return {
    convert: (input) => convert(parts, { ...input, report: forwardOnly(input.report) }),
    close: () => parts.engine.close(),
  }
}

async function convert(parts: PipelineParts, input: ConvertInput): Promise<Converted> {
  const { sourcePath, filename, signal, report, workDir } = input
  signal.throwIfAborted()
  const kind = kindOf(input.contentType)
  const { options, warnings } = readJobOptions(input.taskOptions)
  report({ stage: 'probing', ratio: overall('probing', 0) })
  const fileSizeBytes = await sizeOf(sourcePath)
  const media = await probe(parts.tools, sourcePath, { signal })
  await mkdir(workDir, { recursive: true })
  const subtitles = subtitlesToPrefer(media, options)
  const heard: Heard =
    (subtitles === null ? await listen(parts, input, media, options) : null) ??
    (await readSubtitles(parts.tools, input, media, subtitles, options))
  const { track, transcript } = heard
  // A film goes on where its sound has ended; a recording is as long as it sounds.
  if (kind === 'video') {
    transcript.durationSeconds = Math.max(transcript.durationSeconds, media.durationSeconds)
  }
  report({ stage: 'rendering', ratio: overall('rendering', 0) })
  const { video, chapters } = media
  const content = renderMarkdown({ kind, filename, ...transcript, video, chapters, audio: track })
  const frames = await keyFrameArtifacts(parts.tools, input, media, options)
  const artifacts = [...frames.artifacts, ...formArtifacts(workDir, options)]
  const metadata = resultMetadata({
    kind,
    transcript,
    engine: heard.engine,
    media,
    track,
    warnings: [
      ...warnings,
      ...warningsOf({ kind, media, ...heard, preferred: subtitles !== null }),
      ...heard.warnings,
      ...frames.warnings,
    ],
    artifacts,
    fileName: filename,
    fileSizeBytes,
    checksum: input.sha256 ?? (await sha256Of(sourcePath, signal)),
  })
  await writeForms(artifacts, { content, metadata })
  return { content, metadata, transcript, artifacts }
}

function kindOf(contentType: string): 'audio' | 'video' {
  if (contentType === 'audio' || contentType === 'video') return contentType
  throw new AppError(
    'unsupported_media',
    `This agent converts audio and video, not '${contentType}'.`,
  )
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
