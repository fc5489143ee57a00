import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, stat } from 'node:fs/promises'
import { pipeline as flow } from 'node:stream/promises'
import { AppError, isSystemError } from '../../shared/errors.ts'
import { renderOptionsOf } from '../../shared/forms.ts'
import { printable } from '../../shared/printable.ts'
import type { Transcript } from '../../shared/transcript.ts'
import {
  formArtifacts,
  keyFrameArtifacts,
  writeForms,
  type Artifact,
} from '../transcript/artifacts.ts'
import type { ConvertInput, TranscribedMedia, PipelineParts } from '../transcription/conversion.ts'
import { readJobOptions, type JobOptions } from '../job-options.ts'
import { transcribe } from '../transcription/transcribe.ts'
import { renderMarkdown } from '../../shared/transcript-markdown.ts'
import { findChapters } from '../transcript/find-chapters.ts'
import { probe } from '../media/media.ts'
import type { MediaInfo } from '../media/media-info.ts'
import { resultMetadata } from '../transcript/metadata.ts'
import { forwardOnly, overall } from '../progress/progress.ts'
import { readSubtitles, subtitlesToPrefer } from '../transcript/subtitles.ts'
import { warningsOf } from '../media/tracks.ts'
import { unsupportedType } from './content-types.ts'

const NO_CHAPTERS =
  'No chapters were found: the recording is too short, or has one topic throughout.'

export interface ConvertedFile {
  content: string
  metadata: Record<string, unknown>
  artifacts: Artifact[]
}

export interface Converted extends ConvertedFile {
  transcript: Transcript
}

export type Pipeline = ReturnType<typeof createPipeline>

/** From a media file to its text. Conversions may run at once; recognitions are limited by the slots. */
export function createPipeline(parts: PipelineParts) {
  return {
    /**
     * @throws {AppError} what an attempt can end with: `invalid_media`, `no_audio`, `unsupported_media`,
     * `unsupported_language`, `unsupported_type`, `source_missing`, `engine_failed`, …; the signal's reason when aborted.
     */
    convert: async (input: ConvertInput): Promise<Converted> =>
      await convert(parts, { ...input, report: forwardOnly(input.report) }),
    close: async (): Promise<void> => await parts.engine.close(),
  }
}

async function convert(parts: PipelineParts, input: ConvertInput): Promise<Converted> {
  const { sourcePath, signal, report, workDir } = input
  const filename = printable(input.filename)
  signal.throwIfAborted()
  const sentAs = kindOf(input.contentType)
  const { options, warnings } = readJobOptions(input.taskOptions)
  report({ stage: 'probing', ratio: overall('probing', 0) })
  const fileSizeBytes = await sizeOf(sourcePath)
  const media = limited(await probe(parts.tools, sourcePath, { signal }), options)
  const kind = isRecording(media) ? 'audio' : sentAs
  await mkdir(workDir, { recursive: true })
  const subtitles = subtitlesToPrefer(media, options)
  const transcribed: TranscribedMedia =
    (subtitles === null ? await transcribe(parts, input, media, options) : null) ??
    (await readSubtitles(parts.tools, input, media, subtitles, options))
  const { track, transcript } = transcribed
  // A film may be longer than its audio.
  if (kind === 'video' && transcribed.clockJumps !== true) {
    transcript.durationSeconds = Math.max(transcript.durationSeconds, media.durationSeconds)
  }
  report({ stage: 'rendering', ratio: overall('rendering', 0) })
  const found =
    options.chapters === true && media.chapters.length === 0 ? findChapters(transcript) : null
  const { video, chapters } = found === null ? media : { ...media, chapters: found }
  const content = renderMarkdown({ kind, filename, ...transcript, video, chapters, audio: track })
  const frames = await keyFrameArtifacts(parts.tools, input, media, options)
  const artifacts = [...frames.artifacts, ...formArtifacts(workDir, options)]
  const metadata = resultMetadata({
    kind,
    transcript,
    replacements: transcribed.replacements ?? [],
    engine: transcribed.engine,
    media: { ...media, chapters },
    track,
    warnings: [
      ...warnings,
      ...warningsOf({ kind, media, ...transcribed, preferred: subtitles !== null }),
      ...transcribed.warnings,
      ...frames.warnings,
      ...(found?.length === 0 ? [NO_CHAPTERS] : []),
    ],
    artifacts,
    fileName: filename,
    fileSizeBytes,
    checksum: input.sha256 ?? (await sha256Of(sourcePath, signal)),
  })
  await writeForms(
    artifacts,
    { content, metadata },
    { ...renderOptionsOf(input.taskOptions), jobId: input.jobId },
  )
  return { content, metadata, transcript, artifacts }
}

/** A file of which only the beginning is wanted, as if it were no longer. */
function limited(media: MediaInfo, { limitSeconds }: JobOptions): MediaInfo {
  const durationSeconds = Math.min(media.durationSeconds, limitSeconds ?? Infinity)
  return { ...media, durationSeconds }
}

function kindOf(contentType: string): 'audio' | 'video' {
  if (contentType === 'audio' || contentType === 'video') return contentType
  throw unsupportedType(contentType)
}

/** Audio alone in a container for films, as browsers, phones and radio recorders write it. */
function isRecording({ video, audio, mimeType = '' }: MediaInfo): boolean {
  const isForBoth =
    /^(audio\/(webm|mp4|x-matroska|ogg|3gpp|x-ms-wma)|video\/(mp2t|mpeg|x-flv))$/.test(mimeType)
  return isForBoth && video === null && audio.length > 0
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size
  } catch (error) {
    if (!isSystemError(error, 'ENOENT', 'ENOTDIR')) throw error
    throw new AppError('source_missing', 'The file does not exist.', { cause: error })
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
