import { createHash, randomUUID } from 'node:crypto'
import path from 'node:path'
import { tryJson } from '../../shared/body-text.ts'
import { AppError, EXIT, exitCodeOf, isErrorCode } from '../../shared/errors.ts'
import type { Form } from '../../shared/forms.ts'
import { pause } from '../../shared/timers.ts'
import type { StatusAnswer } from '../../shared/wire.ts'
import { Client } from '../client/client.ts'
import { Connection } from '../../shared/connection.ts'
import { Contact } from '../client/contact.ts'
import { contentTypeOf } from '../media/file-kind.ts'
import { overall, STAGES, type Progress } from '../progress/progress.ts'
import type { Activity, Reporter } from '../progress/reporter-kinds.ts'
import type { CoordinatorSettings } from '../settings/config.ts'
import { warningsOf, type Transcriber, type Transcription } from './transcriber.ts'

export interface RemoteOptions {
  /** Default: by the file's extension. */
  type: string | null
  taskOptions: Record<string, unknown>
  reporter: Reporter
  /** The same version, with the same options, is the same job. Default: each upload is a job of its own. */
  versionOf?: (file: string) => Promise<unknown>
}

const POLL_MS = 500
/** Uploads and waiting jobs of one command. */
const AT_ONCE = 4

function isAddress(file: string): boolean {
  return /^https?:\/\//i.test(file) && URL.canParse(file)
}

/** The last part of a path, or of an address, without its query. */
export function nameOf(file: string): string {
  if (!isAddress(file)) return path.basename(file)
  const { pathname, host } = new URL(file)
  return path.posix.basename(pathname) || host
}

/** Transcribes by a coordinator: uploads files, and waits for their jobs. */
export class RemoteTranscriber implements Transcriber {
  readonly atOnce = AT_ONCE
  readonly client: Client
  readonly #options: RemoteOptions

  constructor(settings: CoordinatorSettings, options: RemoteOptions) {
    // Few retries, so that a wrong address is reported soon.
    this.client = new Client(new Connection({ ...settings, retries: 2 }))
    this.#options = options
  }

  async transcribe(
    file: string,
    forms: readonly Form[],
    { activity, signal }: { activity: Activity; signal: AbortSignal },
  ): Promise<Transcription> {
    const jobId = await this.upload(file, { activity, signal })
    await this.follow(jobId, path.basename(file), { activity, signal })
    const texts: string[] = []
    for (const form of forms) texts.push(await this.client.resultBody(jobId, form, { signal }))
    return { texts, warnings: await this.warnings(jobId, signal) }
  }

  /** @param file or an address, which the coordinator fetches. @returns the job's id. */
  async upload(
    file: string,
    { activity, signal }: { activity: Activity; signal: AbortSignal },
  ): Promise<string> {
    const { type, taskOptions, versionOf } = this.#options
    if (isAddress(file)) {
      const body = { sourceUrl: file, taskOptions, ...(type !== null && { contentType: type }) }
      return (await this.client.createFromUrl(body, randomUUID(), { signal })).jobId
    }
    const contentType = type ?? contentTypeOf(file)
    const version = (await versionOf?.(file)) ?? randomUUID()
    for (let tries = 0; ; tries += 1) {
      const key = JSON.stringify([version, contentType, taskOptions, tries])
      const { jobId, status } = await this.client.create(
        {
          file,
          filename: path.basename(file),
          contentType,
          idempotencyKey: createHash('sha256').update(key).digest('hex'),
          taskOptions,
          onProgress: (bytes, total) =>
            activity.update({ stage: 'uploading', ratio: total > 0 ? bytes / total : 1 }),
        },
        { signal },
      )
      // That job of an earlier try has no transcript, and never will.
      if (versionOf === undefined || !['failed', 'timeout'].includes(status)) return jobId
    }
  }

  /** Of a completed job. */
  async warnings(jobId: string, signal: AbortSignal): Promise<string[]> {
    return warningsOf(tryJson(await this.client.resultBody(jobId, 'json', { signal })))
  }

  /** Polls a job until it is completed. @throws {AppError} when it has no transcript. */
  async follow(
    jobId: string,
    name: string,
    { activity, signal }: { activity: Activity; signal: AbortSignal },
  ): Promise<void> {
    const { reporter } = this.#options
    const contact = new Contact(reporter)
    const onRetry = (error: unknown): void => contact.note('status', error)
    let reported: string | null = null
    try {
      for (;;) {
        const status = await this.client.status(jobId, { signal, retries: Infinity, onRetry })
        contact.note('status', null)
        if (status.status === 'completed') return
        if (!['pending', 'processing'].includes(status.status)) throw ended(status)
        show(status, activity)
        const lacking = status.waitingFor ?? null
        if (lacking !== reported && lacking !== null)
          reporter.event('warn', `${name}: no worker can process it now. It waits for ${lacking}.`)
        reported = lacking
        await pause(POLL_MS, signal)
      }
    } catch (error) {
      if (!signal.aborted) throw error
      const where = `${this.client.connection.url}/api/v1/remote-jobs/${jobId}`
      throw new AppError('cancelled', `Job ${jobId} continues; see ${where}`)
    }
  }

  async close(): Promise<void> {
    await this.client.connection.close()
  }
}

function show({ status, stage, progress }: StatusAnswer, activity: Activity): void {
  const known = STAGES.find((one) => one === stage)
  if (status !== 'processing' || known === undefined) return
  const shown: Progress = { stage: known, ratio: progress ?? overall(known, 0) }
  activity.update(shown)
}

/** With the job's own code, unless it would say something of this command. */
function ended({ jobId, status, errorCode, errorMessage }: StatusAnswer): AppError {
  const message = `Job ${jobId} is ${status}${errorMessage === null ? '.' : `: ${errorMessage}`}`
  const error = new AppError(isErrorCode(errorCode) ? errorCode : 'internal', message)
  return exitCodeOf(error) === EXIT.failed ? error : new AppError('internal', message)
}
