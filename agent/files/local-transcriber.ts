import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import { renderForm, type Form, type RenderOptions } from '../../shared/forms.ts'
import { contentTypeOf } from '../media/file-kind.ts'
import type { Activity } from '../progress/reporter-kinds.ts'
import type { Toolchain } from '../toolchain.ts'
import type { ConvertedFile } from '../work/pipeline.ts'
import { warningsOf, type Transcriber, type Transcription } from './transcriber.ts'

export interface LocalOptions {
  /** Default: by the file's extension. */
  type: string | null
  taskOptions: Record<string, unknown>
  render: RenderOptions
}

/** Transcribes on this machine, with one toolchain for all files. */
export class LocalTranscriber implements Transcriber {
  readonly atOnce: number
  readonly #toolchain: Toolchain
  readonly #options: LocalOptions

  constructor(toolchain: Toolchain, options: LocalOptions) {
    this.atOnce = toolchain.slots.count
    this.#toolchain = toolchain
    this.#options = options
  }

  async transcribe(
    file: string,
    forms: readonly Form[],
    context: { activity: Activity; signal: AbortSignal },
  ): Promise<Transcription> {
    const texts = async (converted: ConvertedFile): Promise<Transcription> => ({
      texts: forms.map((form) => renderForm(form, converted, this.#options.render)),
      warnings: warningsOf(converted.metadata),
    })
    return await this.convert(file, context, texts)
  }

  /** Converts a file and gives it to `use`, while its artifacts are there. */
  async convert<T>(
    file: string,
    { activity, signal }: { activity: Activity; signal: AbortSignal },
    use: (converted: ConvertedFile) => Promise<T>,
  ): Promise<T> {
    const { type, taskOptions } = this.#options
    const filename = path.basename(file)
    const workDir = await mkdtemp(path.join(tmpdir(), 'morag-transcribe-'))
    try {
      const converted = await this.#toolchain.pipeline.convert({
        jobId: filename,
        sourcePath: path.resolve(file),
        filename,
        contentType: type ?? contentTypeOf(file),
        taskOptions,
        workDir,
        signal,
        report: (progress) => activity.update(progress),
      })
      return await use(converted)
    } catch (error) {
      if (error instanceof AppError && error.code === 'source_missing')
        throw new AppError('usage', `File ${file} does not exist.`, { cause: error })
      throw error
    } finally {
      await rm(workDir, { recursive: true, force: true })
    }
  }

  async close(): Promise<void> {
    await this.#toolchain.close()
  }
}
