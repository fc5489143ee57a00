import type { Transcript } from '../../shared/transcript.ts'
import type { Term } from '../../shared/vocabulary.ts'
import type { Engine, EngineInfo } from '../engines/engine.ts'
import type { Tools } from '../media/find-ffmpeg.ts'
import type { AudioTrack, SubtitleTrack } from '../media/media-info.ts'
import type { Replacement } from '../quality/replace-heard.ts'
import type { Report } from '../progress/progress.ts'
import type { Slots } from '../gpu/slots.ts'
import type { SpeakerSettings } from '../diarization/label-speakers.ts'
import type { VoiceDetector } from './voice-detector.ts'

export interface ConvertInput {
  /** For the record of failures on a slot. */
  jobId: string
  sourcePath: string
  /** For people; `sourcePath` may have another name. */
  filename: string
  /** `audio` or `video`: decides the form of the text. */
  contentType: string
  /** The job's own; options that job-options.ts does not know become warnings. */
  taskOptions: Record<string, unknown>
  /** Of this attempt alone; the caller removes it. */
  workDir: string
  /** Of the source, in hex; left out where it is not known. */
  sha256?: string
  /** Of an earlier attempt; used only with `sha256`. */
  checkpoint?: unknown
  onCheckpoint?: (checkpoint: Record<string, unknown>) => void
  signal: AbortSignal
  report: Report
}

export interface PipelineParts {
  tools: Tools
  engine: Engine
  slots: Slots
  vad: VoiceDetector
  speakers: SpeakerSettings
  /** The track where a job does not say: a number from 0, a language or `mix`; null or left out: the best. */
  audioTrack?: number | string | null
  models: readonly string[]
  /** Of the agent's settings. */
  vocabulary?: readonly Term[]
}

export interface TranscribedMedia {
  transcript: Transcript
  replacements?: readonly Replacement[]
  /** Null: the text is the file's subtitles. */
  engine: EngineInfo | null
  track: AudioTrack | null
  decodedSeconds: number
  /** The file's timestamps jump: its claimed duration is not trusted. */
  clockJumps?: boolean
  subtitles: SubtitleTrack | null
  warnings: string[]
}
