import { AppError } from '../../../shared/errors.ts'
import { CliEngine } from '../cli-engine.ts'
import type { Recognised, TranscribeRequest } from '../engine.ts'

export type LaterStage = 'alignment' | 'diarization'

/** A failure after the recognition. Never `gpu_out_of_memory`: a smaller recognition would not help. */
export class LaterStageError extends AppError {
  readonly stage: LaterStage

  constructor(stage: LaterStage, { message, cause, code }: AppError) {
    super(code === 'gpu_out_of_memory' ? 'engine_failed' : code, message, { cause })
    this.stage = stage
  }
}

/** Repeats a piece without alignment or diarization where these fail: the text matters more. */
export class WhisperxEngine extends CliEngine {
  readonly #plain: CliEngine

  /** @param plain does not align; the other parameters are CliEngine's. */
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
