import type { Slot } from '../gpu/slots.ts'
import type { RecognisedSegment } from '../transcription/recognised-segment.ts'
import type { Doubt } from './moonshine/second-pass.ts'
import type { Span } from '../audio/span.ts'

/** What recognised a recording; part of every result's metadata. */
export interface EngineInfo {
  name: string
  model: string
  /** `cpu`, or the GPU's name. */
  device: string
  version: string
}

/** What an engine can do: what the agent announces, and what the pipeline asks of it. */
export interface EngineAbilities {
  /** ISO 639-1 codes of what it understands; null: Whisper's hundred languages. */
  languages: readonly string[] | null
  /** Translates speech of any language into English text. */
  translate: boolean
  /** Gives the time of each word. */
  words: boolean
  /** Tells speakers apart by itself. */
  speakers: boolean
  prompt: boolean
  hotwords: boolean
  /** A second try at a piece gives the same again. */
  deterministic?: true
  /** How much of a recording it is best given at once, in seconds of audio. */
  partSeconds: number
}

/** What a job asks of the recognition, checked and within the engine's abilities. */
export interface SpeechOptions {
  /** `en`, `de`, …; null: the engine finds out. */
  language: string | null
  task: 'transcribe' | 'translate'
  prompt: string | null
  hotwords: string | null
  words: boolean
  /** Null: nobody asks who speaks. */
  speakers: { min: number | null; max: number | null } | null
  /** Another model than the agent's usual one. */
  model: string | null
}

/** What was understood in one piece of audio. */
export interface Recognised {
  /** ISO 639-1, or null when nobody knows. */
  language: string | null
  languageProbability?: number
  /** Of an engine that takes everything for the language it knows: how far a second hearing differs. */
  doubt?: Doubt
  /** In order of time, within the piece. */
  segments: RecognisedSegment[]
  /** What a person should know about how it went; empty when all was as expected. */
  warnings: string[]
}

/** A language that was heard: ISO 639-1 code and certainty. */
export interface Detected {
  language: string
  /** 0 to 1. */
  probability: number
}

/** A program and its arguments; no shell reads it. */
export interface CommandLine {
  file: string
  args: string[]
  /** Beside the allow-listed environment and the slot's. */
  env: Record<string, string>
}

/** One piece of audio for the engine. */
export interface AudioPiece {
  /** 16 kHz, mono, signed 16 bit. */
  wavPath: string
  durationSeconds: number
  /** A folder for this piece alone, there and empty; whoever made it removes it. */
  workDir: string
  /** Where it runs. */
  slot: Slot
  /** Stops the recognition; its reason is what is then thrown, with every child process gone. */
  signal: AbortSignal
}

/** A piece of audio to be recognised. */
export interface TranscribeRequest extends AudioPiece {
  options: SpeechOptions
  /** Where speech is, in seconds of the piece: ascending, apart from each other. Not empty. */
  speech: readonly Span[]
  /** The second try at a piece whose text was suspicious: less sure of itself, and without a prompt. */
  again: boolean
  onProgress(processedSeconds: number): void
}

/**
 * One speech recogniser. Everything heavy happens in child processes, so that a crash ends a job and not the agent. As
 * many calls run at once as there are slots, each on a slot of its own.
 */
export interface Engine {
  readonly info: EngineInfo
  readonly abilities: EngineAbilities
  /**
   * Gets models and starts what has to run on that slot, so that `transcribe` can begin at once. It is optional:
   * `transcribe` does the same when it finds nothing ready.
   * @param model as in `SpeechOptions`; default: the usual one.
   * @throws {AppError} `model_missing`, `engine_missing`, `engine_failed`; the signal's reason when aborted.
   */
  prepare(slot: Slot, signal: AbortSignal, model?: string | null): Promise<void>
  /**
   * The languages of up to three pieces of at most 30 seconds each, in one go; null for what it cannot tell. Absent where
   * the engine cannot, or does it just as well while it transcribes.
   * @param model as in `prepare`.
   * @throws {AppError} as `transcribe`.
   */
  detect?(pieces: readonly AudioPiece[], model?: string | null): Promise<(Detected | null)[]>
  /**
   * @throws {AppError} as `prepare`, `gpu_out_of_memory`, `unsupported_language`; the signal's reason when aborted.
   */
  transcribe(request: TranscribeRequest): Promise<Recognised>
  /** What would be run for a recording in that folder, for whoever asks before; absent where nothing is. */
  plans?(options: SpeechOptions, workDir: string): CommandLine[]
  /** Ends every child process. The engine may be used again after that. */
  close(): Promise<void>
}
