import type { Segment } from '../../../shared/transcript.ts'
import { ForkedChild, scriptBeside } from '../../process/forked-child.ts'
import type { Span } from '../../audio/span.ts'
import type { MoonshineQuestion } from './child.ts'
import type { Doubt } from './second-pass.ts'
import type { MoonshineFiles } from './recognizer.ts'

/** One question at a time; a failure ends the process. */
export class MoonshineProcess extends ForkedChild {
  constructor() {
    super(scriptBeside(import.meta.url, 'child'), 'the engine moonshine')
  }

  /** @throws {AppError} `engine_failed`, `model_missing`, `engine_missing`; the signal's reason when aborted. */
  async load(files: MoonshineFiles, signal: AbortSignal): Promise<void> {
    const question: MoonshineQuestion = { type: 'load', files }
    await this.ask(question, { signal })
  }

  /** @throws {AppError} `engine_failed`, `invalid_media`; the signal's reason when aborted. */
  async transcribe(
    wavPath: string,
    speech: readonly Span[],
    signal: AbortSignal,
    onProgress: (seconds: number) => void,
  ): Promise<Segment[]> {
    const question: MoonshineQuestion = { type: 'transcribe', wavPath, speech }
    return await this.ask(question, { signal, onProgress })
  }

  /** @throws {AppError} as `transcribe`. */
  async doubt(wavPath: string, speech: readonly Span[], signal: AbortSignal): Promise<Doubt> {
    const question: MoonshineQuestion = { type: 'doubt', wavPath, speech }
    return await this.ask(question, { signal })
  }
}
