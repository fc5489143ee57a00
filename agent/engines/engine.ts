import type { Transcript } from '../../shared/transcript.ts'

/** What recognised a recording; part of every result's metadata. */
export interface EngineInfo {
  name: string
  model: string
  device: string
  version: string
}

export interface TranscribeRequest {
  /** 16 kHz, mono, signed 16 bit: what `decode` of media.ts writes. */
  wavPath: string
  durationSeconds: number
  /** What the job asked for (`en`, `en-US`, …), or null to let the engine decide. */
  language: string | null
  /** A folder of this attempt alone, for whatever the engine has to write. */
  workDir: string
  /** Stops the recognition; its reason is what `transcribe` then throws. */
  signal: AbortSignal
  onProgress(processedSeconds: number): void
}

/**
 * One speech recogniser. Everything heavy happens in child processes, so that a crash ends a job and not the agent.
 * Several calls may run at once; how many is the caller's choice.
 */
export interface Engine {
  readonly info: EngineInfo
  /**
   * Gets models and starts what has to run, so that `transcribe` can begin at once. It is optional: `transcribe` does
   * the same when it finds nothing ready.
   * @throws {AppError} `model_missing`, `engine_missing`, `engine_failed`; the signal's reason when aborted.
   */
  prepare(signal: AbortSignal): Promise<void>
  /**
   * Segments in order of time, within the recording's duration, none of them overlapping.
   * @throws {AppError} as `prepare`, and `unsupported_language`; the signal's reason when aborted.
   */
  transcribe(request: TranscribeRequest): Promise<Transcript>
  /** Ends every child process. The engine may be used again after that. */
  close(): Promise<void>
}
