import { createHash } from 'node:crypto'
import { link, mkdir, rm, symlink } from 'node:fs/promises'
import path from 'node:path'
import { childEnv } from '../../shared/child-env.ts'
import { fillTemplate } from '../../shared/command-line.ts'
import { convertedMetadata, runConverter } from '../../shared/converter.ts'
import { AppError } from '../../shared/errors.ts'
import { lastAttempt, type ProcessingJob, type ResultBody } from '../job/job.ts'
import { LOCAL_ABILITY, requirementsOf } from '../job/requirements.ts'
import type { Sources } from '../blobs/sources.ts'
import { PRIVATE_FOLDER } from '../storage/private-folder.ts'
import { withoutSecrets } from '../job/task-options.ts'
import { isPlainText, passThrough, type ToProcess } from './built-in.ts'
import type { IngestionConfig } from '../config.ts'
import { stemOf } from './file-stem.ts'
import type { MoragClient } from './morag-client.ts'

export interface Processor {
  /** Processors of one name share its slots. */
  name: 'command' | 'built-in' | 'morag' | 'none'
  /** Equal for processors that would do the same: a refused job is kept from them. Null: unknown until `describe`. */
  readonly ability: string | null
  /** Finds the ability out, for {@link Processors.for} to give. @throws {AppError} */
  describe?(signal: AbortSignal): Promise<void>
  /** @throws {AppError}, or the signal's reason when aborted. */
  process(job: ProcessingJob, signal: AbortSignal): Promise<ResultBody>
}

export interface ProcessorsOptions {
  config: Pick<IngestionConfig, 'localProcessors'>
  sources: Sources
  morag: MoragClient | null
  /** Holds a folder for each run of a command. */
  folder: string
}

/** Chooses a file's processor: the command for its content type, the built-in one for text, else the MoRAG server. */
export class Processors {
  readonly #options: ProcessorsOptions
  readonly #builtIn: Processor

  private constructor(options: ProcessorsOptions) {
    this.#options = options
    const { sources } = options
    this.#builtIn = {
      name: 'built-in',
      ability: abilityOf('built-in'),
      process: async (job, signal) =>
        resultOf(job, await passThrough(job, sources, signal), 'built-in'),
    }
  }

  static async open(options: ProcessorsOptions): Promise<Processors> {
    // Left over from a crash; harmless where it cannot be removed.
    await rm(options.folder, { recursive: true, force: true }).catch(() => undefined)
    return new Processors(options)
  }

  has(file: ToProcess): boolean {
    return this.#find(file) !== null
  }

  /** A job's processor; null when there is none. A job that only the coordinator may process gets one that fails it. */
  for(job: ToProcess): Processor | null {
    return this.#find(job) ?? (job.ingestion?.local === true ? NO_PROCESSOR : null)
  }

  #find(file: ToProcess): Processor | null {
    // No processor here announces features, languages or models.
    if (requirementsOf(file).isStrict) return null
    const { localProcessors } = this.#options.config
    const { contentType } = file
    // A client may call its content type `constructor`.
    const command = Object.hasOwn(localProcessors, contentType)
      ? localProcessors[contentType]
      : undefined
    if (command !== undefined) {
      return {
        name: 'command',
        ability: abilityOf('command', ...command),
        process: async (job, signal) => await this.#run(job, command, signal),
      }
    }
    return isPlainText(file) ? this.#builtIn : this.#morag()
  }

  #morag(): Processor | null {
    const { morag } = this.#options
    if (morag === null) return null
    const { url, version } = morag
    return {
      name: 'morag',
      // An upgraded server may do what the old one refused.
      ability: version === null ? null : abilityOf('morag', url, version),
      describe: async (signal) => await morag.describe(signal),
      process: async (job, signal) => await this.#convert(job, morag, signal),
    }
  }

  async #run(
    job: ProcessingJob,
    [program = '', ...template]: readonly string[],
    signal: AbortSignal,
  ): Promise<ResultBody> {
    const { folder, sources } = this.#options
    const source = await sources.locate(job, signal)
    const cwd = path.join(folder, `${job.jobId}-${lastAttempt(job)!.number}`)
    await mkdir(cwd, { recursive: true, mode: PRIVATE_FOLDER })
    try {
      const input = path.join(cwd, nameOf(job.source.filename))
      // A program that resolves a symbolic link to a file of ours would see a name without an ending.
      if (job.source.kind !== 'path')
        await link(source, input).catch(async () => await symlink(source, input))
      else await symlink(source, input)
      const args = fillTemplate(template, { input })
      const env = childEnv({ TMPDIR: cwd })
      const setting = '--local-processor'
      const content = await runConverter({ program, args, cwd, env, signal, setting })
      return resultOf(job, content, path.basename(program))
    } finally {
      // Left to the next start where it cannot be removed.
      await rm(cwd, { recursive: true, force: true }).catch(() => undefined)
    }
  }

  async #convert(job: ProcessingJob, morag: MoragClient, signal: AbortSignal): Promise<ResultBody> {
    const { contentType, ingestion, source, taskOptions } = job
    const { file, sizeBytes } = await this.#options.sources.local(job, signal)
    const end = Math.max(0, sizeBytes - 1)
    const range = { start: 0, end, highWaterMark: CHUNK_BYTES, autoClose: false }
    try {
      const document = {
        filename: source.filename,
        sizeBytes,
        read: () => file.createReadStream(range),
        contentType,
        documentId: ingestion?.documentId ?? null,
        metadata: { ...ingestion?.metadata },
        processingOptions: ingestion?.processingOptions ?? withoutSecrets(taskOptions),
      }
      return await morag.convert(document, signal)
    } finally {
      await file.close()
    }
  }
}

const CHUNK_BYTES = 256 * 1024

/** For a job that was accepted while it had a processor. */
const NO_PROCESSOR: Processor = {
  name: 'none',
  ability: abilityOf('none'),
  process: async ({ contentType }) => {
    const message = `No processor is configured for content type '${contentType}' any more: set --local-processor, or --morag-url.`
    throw new AppError('engine_missing', message)
  },
}

function abilityOf(...words: string[]): string {
  return `${LOCAL_ABILITY}${createHash('sha256').update(JSON.stringify(words)).digest('base64url').slice(0, 22)}`
}

/** The text with its file's metadata. */
function resultOf({ source }: ProcessingJob, content: string, processor: string): ResultBody {
  return { content, metadata: convertedMetadata(source, processor) }
}

/** The name of a command's input: with the original ending, which programs go by. */
function nameOf(filename: string): string {
  const ending = /\.[a-z0-9]{1,16}$/i.exec(filename)?.[0] ?? ''
  return `${stemOf(filename)}${ending}`
}
