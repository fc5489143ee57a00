import type { Span } from '../../../shared/span.ts'
import { scriptBeside } from '../../process/forked-child.ts'
import { RecognizerProcess } from '../sherpa/recognizer-process.ts'
import type { MoonshineQuestion } from './child.ts'
import type { Doubt } from './second-pass.ts'
import type { MoonshineFiles } from './recognizer.ts'

export class MoonshineProcess extends RecognizerProcess<MoonshineFiles> {
  constructor() {
    super(scriptBeside(import.meta.url, 'child'), 'the engine moonshine')
  }

  /** @throws {AppError} as `transcribe`. */
  async doubt(wavPath: string, speech: readonly Span[], signal: AbortSignal): Promise<Doubt> {
    const question: MoonshineQuestion = { type: 'doubt', wavPath, speech }
    return await this.ask(question, { signal })
  }
}
