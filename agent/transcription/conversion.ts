import type { Transcript } from '../../shared/transcript.ts'
import type { Engine, EngineInfo } from '../engines/engine.ts'
import type { Tools } from '../media/ffmpeg.ts'
import type { AudioTrack, SubtitleTrack } from '../media/media-info.ts'
import type { Report } from '../progress/progress.ts'
import type { Slots } from '../gpu/slots.ts'
import type { SpeakerSettings } from '../diarization/label-speakers.ts'
import type { VoiceDetector } from './voice-detector.ts'

/** What is to be converted, and for whom. */
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

/** What all conversions of an agent share. */
export interface PipelineParts {
  tools: Tools
  engine: Engine
  slots: Slots
  finder: VoiceDetector
  speakers: SpeakerSettings
  /** Which track is heard where a job does not say: a number from 0, a language or `mix`; null or left out: the best. */
  audioTrack?: number | string | null
  /** The models that a job may choose from. */
  models: readonly string[]
}

/** The text of a file, and where it comes from. */
export interface TranscribedMedia {
  transcript: Transcript
  /** Null when nothing was heard: the text is the file's subtitles. */
  engine: EngineInfo | null
  track: AudioTrack | null
  /** How much of the track could be decoded. */
  heardSeconds: number
  /** The file's clock was set while it was recorded: its claimed length says nothing. */
  clockJumps?: boolean
  subtitles: SubtitleTrack | null
  warnings: string[]
}
