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
import { isPlainText, passThrough } from './built-in.ts'
import type { IngestionConfig } from '../config.ts'
import { stemOf } from './file-stem.ts'
import type { MoragClient } from './morag-client.ts'
import type { ToProcess } from './to-process.ts'

/** One way to process a file here. */
export interface Processor {
  /** Those of one name share the places that there are. */
  name: 'command' | 'built-in' | 'morag' | 'nobody'
  /** The same for one that would do the same: what could not do a job is not given it again. */
  ability: string
  /** @throws {AppError} that says why not; the signal's reason when aborted. */
  process(job: ProcessingJob, signal: AbortSignal): Promise<ResultBody>
}

export interface ProcessorsOptions {
  config: Pick<IngestionConfig, 'localProcessors'>
  sources: Sources
  morag: MoragClient | null
  /** Where commands have their folders. */
  folder: string
}

/** Who processes what here: the command for its content type, the built-in for text, the MoRAG server. */
export class Processors {
  readonly #options: ProcessorsOptions
  readonly #builtIn: Processor
  readonly #morag: Processor | null

  private constructor(options: ProcessorsOptions) {
    this.#options = options
    const { morag, sources } = options
    this.#builtIn = {
      name: 'built-in',
      ability: abilityOf('built-in'),
      process: async (job) => told(job, await passThrough(job, sources), 'built-in'),
    }
    this.#morag = morag && {
      name: 'morag',
      ability: abilityOf('morag', morag.url),
      process: async (job, signal) => await this.#convert(job, morag, signal),
    }
  }

  static async open(options: ProcessorsOptions): Promise<Processors> {
    // What a crash has left. What of it cannot be removed is in nobody's way.
    await rm(options.folder, { recursive: true, force: true }).catch(() => undefined)
    return new Processors(options)
  }

  /** Whether somebody here can process a file. */
  has(file: ToProcess): boolean {
    return this.#find(file) !== null
  }

  /** Who processes a job here; null: nobody. A job that is for nobody else is failed then: its client is to know. */
  for(job: ToProcess): Processor | null {
    return this.#find(job) ?? (job.ingestion?.local === true ? NOBODY : null)
  }

  #find(file: ToProcess): Processor | null {
    // That somebody here has what a job requires has not been said.
    if (requirementsOf(file).isStrict) return null
    const { localProcessors } = this.#options.config
    const { contentType } = file
    // Content types are the client's words: `constructor` is one like any other.
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
    return isPlainText(file) ? this.#builtIn : this.#morag
  }

  async #run(
    job: ProcessingJob,
    [program = '', ...template]: readonly string[],
    signal: AbortSignal,
  ): Promise<ResultBody> {
    const { folder, sources } = this.#options
    const source = await sources.locate(job)
    const cwd = path.join(folder, `${job.jobId}-${lastAttempt(job)!.number}`)
    await mkdir(cwd, { recursive: true, mode: PRIVATE_FOLDER })
    try {
      const input = path.join(cwd, nameOf(job.source.filename))
      // An upload's own link to its bytes: a program that follows symbolic ones would see a name without an ending.
      if (job.source.kind === 'upload')
        await link(source, input).catch(async () => await symlink(source, input))
      else await symlink(source, input)
      const args = fillTemplate(template, { input })
      const env = childEnv({ TMPDIR: cwd })
      const setting = '--local-processor'
      const content = await runConverter({ program, args, cwd, env, signal, setting })
      return told(job, content, path.basename(program))
    } finally {
      // What cannot be removed now is at the next start.
      await rm(cwd, { recursive: true, force: true }).catch(() => undefined)
    }
  }

  async #convert(job: ProcessingJob, morag: MoragClient, signal: AbortSignal): Promise<ResultBody> {
    const { contentType, ingestion, source, taskOptions } = job
    const { file, sizeBytes } = await this.#options.sources.read(job)
    const bytes = file.createReadStream({
      start: 0,
      end: Math.max(0, sizeBytes - 1),
      highWaterMark: CHUNK_BYTES,
      autoClose: false,
    })
    try {
      const document = {
        filename: source.filename,
        sizeBytes,
        bytes,
        contentType,
        documentId: ingestion?.documentId ?? null,
        metadata: { ...ingestion?.metadata },
        processingOptions: ingestion?.processingOptions ?? withoutSecrets(taskOptions),
      }
      return await morag.convert(document, signal)
    } finally {
      bytes.destroy()
      await file.close()
    }
  }
}

const CHUNK_BYTES = 256 * 1024

/** For a job that was taken in when somebody here could do it. */
const NOBODY: Processor = {
  name: 'nobody',
  ability: abilityOf('nobody'),
  process: async ({ contentType }) => {
    const message = `No processor is configured for content type '${contentType}' any more: set --local-processor, or --morag-url.`
    throw new AppError('engine_missing', message)
  },
}

function abilityOf(...words: string[]): string {
  return `${LOCAL_ABILITY}${createHash('sha256').update(JSON.stringify(words)).digest('base64url').slice(0, 22)}`
}

/** The text with what is known of its file. */
function told({ source }: ProcessingJob, content: string, processor: string): ResultBody {
  return { content, metadata: convertedMetadata(source, processor) }
}

/** What a command finds its file as: with the ending that it had, for programs that go by that. */
function nameOf(filename: string): string {
  const ending = /\.[a-z0-9]{1,16}$/i.exec(filename)?.[0] ?? ''
  return `${stemOf(filename)}${ending}`
}
