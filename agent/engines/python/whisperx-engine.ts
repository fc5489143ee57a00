import { AppError } from '../../../shared/errors.ts'
import { CliEngine } from '../cli-engine.ts'
import type { Recognised, TranscribeRequest } from '../engine.ts'

/** What whisperx does once it has the text, and loses it when that fails. */
export type LaterStage = 'alignment' | 'diarization'

/** A failure after the recognition: the text was there. Never `gpu_out_of_memory`, as less of the recognition is no help. */
export class LaterStageError extends AppError {
  readonly stage: LaterStage

  constructor(stage: LaterStage, { message, cause, code }: AppError) {
    super(code === 'gpu_out_of_memory' ? 'engine_failed' : code, message, { cause })
    this.stage = stage
  }
}

/** Does without exact word times, or without speakers, rather than without the text. */
export class WhisperxEngine extends CliEngine {
  readonly #plain: CliEngine

  /** @param plain one that does not align; the other parameters are CliEngine's. */
  constructor(plain: CliEngine, ...rest: ConstructorParameters<typeof CliEngine>) {
    super(...rest)
    this.#plain = plain
  }

  override async transcribe(request: TranscribeRequest): Promise<Recognised> {
    const warnings: string[] = []
    let options = request.options
    let aligns = true
    for (;;) {
      try {
        const asked = { ...request, options }
        const result = await (aligns ? super.transcribe(asked) : this.#plain.transcribe(asked))
        return { ...result, warnings: [...warnings, ...result.warnings] }
      } catch (error) {
        if (!(error instanceof LaterStageError)) throw error
        const { stage, message } = error
        if (stage === 'alignment' && aligns) {
          aligns = false
          warnings.push(`The words could not be aligned, so their times are missing. ${message}`)
        } else if (stage === 'diarization' && options.speakers !== null) {
          options = { ...options, speakers: null }
          warnings.push(`Diarization failed. ${message}`)
        } else throw error
      }
    }
  }

  override async close(): Promise<void> {
    await Promise.all([super.close(), this.#plain.close()])
  }
}
