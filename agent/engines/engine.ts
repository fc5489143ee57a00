import type { Slot } from '../gpu/slots.ts'
import type { RecognisedSegment } from '../transcription/recognised-segment.ts'
import type { Doubt } from './moonshine/second-pass.ts'
import type { Span } from '../../shared/span.ts'

export interface EngineInfo {
  name: string
  model: string
  device: string
  version: string
}

/** What the agent announces, and what the pipeline asks for. */
export interface EngineAbilities {
  /** ISO 639-1 codes; null: Whisper's hundred languages. */
  languages: readonly string[] | null
  /** Translates speech of any language into English text. */
  translate: boolean
  words: boolean
  /** `maybe`: `tellsSpeakers` finds out. */
  speakers: boolean | 'maybe'
  prompt: boolean
  hotwords: boolean
  /** A second try at a piece gives the same text. */
  deterministic?: true
  /** Detecting the languages of all speech, in windows of up to 10 s, is quick beside recognising it. */
  quickDetection?: true
  /** The best length of a piece, in seconds of audio. */
  partSeconds: number
}

/** What a job asks for, checked and within the engine's abilities. */
export interface SpeechOptions {
  language: string | null
  task: 'transcribe' | 'translate'
  prompt: string | null
  hotwords: string | null
  words: boolean
  /** Null when diarization is not requested. */
  speakers: { min: number | null; max: number | null } | null
  /** Null: the agent's usual model. */
  model: string | null
}

export interface Recognised {
  /** ISO 639-1; null when unknown. */
  language: string | null
  languageProbability?: number
  /** Of an English-only engine: how far a second pass over the same speech differs. */
  doubt?: Doubt
  /** In order of time, within the piece. */
  segments: RecognisedSegment[]
  /** The engine gives none: they are placed by the pauses. */
  hasEstimatedTimes?: boolean
  /** Sentences for people; empty when all was as expected. */
  warnings: string[]
}

export interface Detected {
  language: string
  /** 0 to 1; null where the engine does not say: each vote counts whole. */
  probability: number | null
}

export interface CommandLine {
  file: string
  args: string[]
  /** Beside the allow-listed environment and the slot's. */
  env: Record<string, string>
}

export interface AudioPiece {
  /** 16 kHz, mono, signed 16 bit. */
  wavPath: string
  durationSeconds: number
  /** An empty folder for this piece alone. The caller removes it. */
  workDir: string
  slot: Slot
  /** Its reason is thrown, once every child process is gone. */
  signal: AbortSignal
}

export interface TranscribeRequest extends AudioPiece {
  options: SpeechOptions
  /** The VAD's spans, in seconds of the piece: ascending, disjoint, not empty. */
  speech: readonly Span[]
  /** The second try at a piece whose text was suspicious: at a higher temperature, without a prompt. */
  again: boolean
  onProgress(processedSeconds: number): void
}

/**
 * A speech recogniser. All heavy work happens in child processes, so that a crash ends a job and not the agent. Up to
 * one call per slot runs at once.
 */
export interface Engine {
  readonly info: EngineInfo
  readonly abilities: EngineAbilities
  /**
   * Fetches the model and starts the slot's server, so that `transcribe` begins at once. Optional: `transcribe` does
   * the same when nothing is ready.
   * @param model as in `SpeechOptions`; default: the usual one.
   * @throws {AppError} `model_missing`, `engine_missing`, `engine_failed`; the signal's reason when aborted.
   */
  prepare(slot: Slot, signal: AbortSignal, model?: string | null): Promise<void>
  /**
   * The languages of pieces of at most 30 seconds each; null where unknown. Absent where the engine cannot, or does it as
   * well in `transcribe`.
   * @param languages ISO codes to choose from; null: any. An engine that knows the most probable one only ignores them.
   * @throws {AppError} as `transcribe`.
   */
  detect?(
    pieces: readonly AudioPiece[],
    model?: string | null,
    languages?: readonly string[] | null,
  ): Promise<(Detected | null)[]>
  /**
   * Whether it tells speakers apart, by a request of at most 30 seconds for them. Absent where `abilities.speakers` says so.
   * @throws {AppError} as `transcribe`.
   */
  tellsSpeakers?(request: TranscribeRequest): Promise<boolean>
  /** @throws {AppError} as `prepare`, `gpu_out_of_memory`, `unsupported_language`; the signal's reason when aborted. */
  transcribe(request: TranscribeRequest): Promise<Recognised>
  /** The commands for a recording in that folder, for a dry run. Absent where no command is run. */
  plans?(options: SpeechOptions, workDir: string): CommandLine[]
  /** Ends every child process. The engine may be used again. */
  close(): Promise<void>
}
