import type { Span } from '../../../shared/span.ts'
import { ForkedChild } from '../../process/forked-child.ts'
import type { RecognisedSegment } from '../../transcription/recognised-segment.ts'

export type RecognizerQuestion<Model> =
  | { type: 'load'; model: Model }
  | { type: 'transcribe'; wavPath: string; speech: readonly Span[] }

/** A process that loads a model and then recognises. One question at a time; a failure ends the process. */
export class RecognizerProcess<Model> extends ForkedChild {
  /** @throws {AppError} `engine_failed`, `model_missing`, `engine_missing`; the signal's reason when aborted. */
  async load(model: Model, signal: AbortSignal): Promise<void> {
    await this.ask({ type: 'load', model } satisfies RecognizerQuestion<Model>, { signal })
  }

  /** @throws {AppError} `engine_failed`, `invalid_media`; the signal's reason when aborted. */
  async transcribe(
    wavPath: string,
    speech: readonly Span[],
    signal: AbortSignal,
    onProgress: (seconds: number) => void,
  ): Promise<RecognisedSegment[]> {
    const question: RecognizerQuestion<Model> = { type: 'transcribe', wavPath, speech }
    return await this.ask(question, { signal, onProgress })
  }
}
