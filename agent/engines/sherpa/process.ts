import { ForkedChild, scriptBeside } from '../../process/forked-child.ts'
import type { TranscribeRequest } from '../engine.ts'
import type { SherpaQuestion } from './child.ts'
import type { SherpaAnswer, SherpaModel } from './chunk-recognizer.ts'

/** A process that loads a model of sherpa-onnx and then recognises. One question at a time; a failure ends it. */
export class SherpaProcess extends ForkedChild {
  /** @param engine for errors. */
  constructor(engine: string) {
    super(scriptBeside(import.meta.url, 'child'), `the engine ${engine}`)
  }

  /** @throws {AppError} `engine_failed`, `model_missing`, `engine_missing`; the signal's reason when aborted. */
  async load(model: SherpaModel, signal: AbortSignal): Promise<void> {
    await this.ask({ type: 'load', model } satisfies SherpaQuestion, { signal })
  }

  /** @throws {AppError} `engine_failed`, `invalid_media`; the signal's reason when aborted. */
  async recognise(
    { wavPath, speech, onProgress }: Pick<TranscribeRequest, 'wavPath' | 'speech' | 'onProgress'>,
    signal: AbortSignal,
  ): Promise<SherpaAnswer> {
    const question: SherpaQuestion = { type: 'recognise', wavPath, speech }
    return await this.ask(question, { signal, onProgress })
  }
}
