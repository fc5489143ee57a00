import { ForkedChild, scriptBeside } from '../../process/forked-child.ts'
import type { Span } from '../../audio/span.ts'
import type { RecognisedSegment } from '../../transcription/recognised-segment.ts'
import type { ParakeetQuestion } from './child.ts'
import type { ParakeetFiles } from './recognizer.ts'

/** One question at a time; a failure ends the process. */
export class ParakeetProcess extends ForkedChild {
  readonly #threads: number

  constructor(threads: number) {
    super(scriptBeside(import.meta.url, 'child'), 'the engine parakeet')
    this.#threads = threads
  }

  /** @throws {AppError} `engine_failed`, `model_missing`, `engine_missing`; the signal's reason when aborted. */
  async load(files: ParakeetFiles, signal: AbortSignal): Promise<void> {
    const question: ParakeetQuestion = { type: 'load', files, threads: this.#threads }
    await this.ask(question, { signal })
  }

  /** @throws {AppError} `engine_failed`, `invalid_media`; the signal's reason when aborted. */
  async transcribe(
    wavPath: string,
    speech: readonly Span[],
    signal: AbortSignal,
    onProgress: (seconds: number) => void,
  ): Promise<RecognisedSegment[]> {
    const question: ParakeetQuestion = { type: 'transcribe', wavPath, speech }
    return await this.ask(question, { signal, onProgress })
  }
}
