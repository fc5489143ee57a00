import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { messageOf } from '../../shared/errors.ts'
import type { ClaimedJob, ResultRequest } from '../../shared/wire.ts'
import { timeoutSignal } from '../../shared/timers.ts'
import { artifactFolder } from '../transcript/artifacts.ts'
import type { Client } from '../client/client.ts'
import { download } from '../client/download.ts'
import { unlessAborted } from '../engines/closing.ts'
import { failureOf, isLost } from './failure.ts'
import type { Heartbeat, Tracked } from '../client/heartbeat.ts'
import type { Outbox } from '../client/outbox.ts'
import type { ConvertInput } from '../transcription/conversion.ts'
import type { ConvertedFile } from './pipeline.ts'
import { overall, STAGES_WITH_SLOT, type Report, type Stage } from '../progress/progress.ts'
import type { Reporter } from '../progress/reporter-kinds.ts'

export interface JobRunnerParts {
  client: Client
  heartbeat: Heartbeat
  outbox: Outbox
  /** @throws {AppError} what an attempt can end with; the signal's reason when aborted. */
  pipeline: { convert(input: ConvertInput): Promise<ConvertedFile> }
  reporter: Reporter
  folder: string
  /** Aborted when the agent stops before this job is done: it is then given back. */
  leave: AbortSignal
  onStage: (stage: Stage) => void
}

const RELEASE_MS = 5_000
/** How long a job that is given back waits for its last checkpoint to be saved. */
const SAVE_MS = 2_000

/**
 * One attempt: download, conversion, and its outcome saved in the outbox. Never throws. The slot is free when it resolves,
 * while the result is still being delivered.
 */
export async function runJob(parts: JobRunnerParts, job: ClaimedJob): Promise<void> {
  const { heartbeat, outbox, reporter, folder, leave, onStage } = parts
  const { jobId, attempt, leaseToken } = job
  let startedAt = performance.now()
  let hasSlot = false
  const controller = new AbortController()
  const tracked = heartbeat.track(job, controller)
  const activity = reporter.begin(jobId, job.source.filename)
  // Encoded: an id must not be a path.
  const workDir = path.join(folder, `${encodeURIComponent(jobId)}.${attempt}`)
  const seconds = (): number => Math.round(performance.now() - startedAt) / 1000
  const report: Report = (progress) => {
    // The wait for a slot is not processing time.
    if (!hasSlot && STAGES_WITH_SLOT.includes(progress.stage)) {
      hasSlot = true
      startedAt = performance.now()
    }
    onStage(progress.stage)
    tracked.update(progress)
    activity.update(progress)
  }
  const signal = AbortSignal.any([leave, controller.signal])
  const converting = tracked.quiet.during(
    async () => await convert(parts, job, workDir, signal, report, tracked),
  )
  try {
    // A program that does not end at once keeps no job that is given back.
    const converted = await unlessAborted(converting, leave).catch((error: unknown) => {
      if (signal.aborted || isLost(error)) throw error
      activity.failed(messageOf(error))
      return failureOf(error, seconds())
    })
    const { artifacts, ...result } = resultOf(converted, seconds())
    report({ stage: 'uploading', ratio: overall('uploading', 0) })
    const delivery = { jobId, attempt, result: { ...result, leaseToken }, artifacts }
    const { outcome } = await outbox.put(delivery, artifactFolder(workDir))
    tracked.quiet.add(() => outbox.quietUntil)
    // The lease is kept until the coordinator has the result.
    void outcome.then(tracked.stop)
    if (result.success) activity.done(`done in ${seconds().toFixed(1)} s`)
  } catch (error) {
    const isOurs = !controller.signal.aborted && !isLost(error)
    if (isOurs) await tracked.saved(timeoutSignal(SAVE_MS))
    tracked.stop()
    activity.stopped(messageOf(error))
    if (isOurs) await giveBack(parts, job)
  } finally {
    await converting.catch(() => undefined)
    await rm(workDir, { recursive: true, force: true }).catch((error: unknown) =>
      reporter.event('warn', `cannot remove ${workDir}: ${messageOf(error)}`),
    )
  }
}

function resultOf(
  outcome: ConvertedFile | ResultRequest,
  processingTime: number,
): ResultRequest & { artifacts: string[] } {
  if ('success' in outcome) return { ...outcome, artifacts: [] }
  const { content, metadata, artifacts } = outcome
  const names = artifacts.map(({ name }) => name)
  return {
    success: true,
    content,
    metadata: { ...metadata, processing_time: processingTime },
    processingTime,
    artifacts: names,
  }
}

async function convert(
  { client, pipeline }: JobRunnerParts,
  { jobId, source, leaseToken, contentType, taskOptions, checkpoint }: ClaimedJob,
  workDir: string,
  signal: AbortSignal,
  report: Report,
  tracked: Tracked,
): Promise<ConvertedFile> {
  await mkdir(workDir, { recursive: true, mode: 0o700 })
  // Some formats are recognised by their extension; nothing else of a foreign name is used.
  const extension = /\.[a-z0-9]{1,8}$/i.exec(source.filename)?.[0] ?? ''
  const target = path.join(workDir, `source${extension}`)
  const { sha256 } = await download({
    connection: client.connection,
    source,
    leaseToken,
    target,
    signal,
    onProgress: (received, total) =>
      report({
        stage: 'downloading',
        ratio: overall('downloading', total > 0 ? received / total : 1),
      }),
  })
  const { filename } = source
  return await pipeline.convert({
    jobId,
    sourcePath: target,
    filename,
    contentType,
    taskOptions,
    workDir,
    sha256,
    checkpoint,
    onCheckpoint: tracked.checkpoint,
    signal,
    report,
  })
}

/** Best effort: a job that cannot be given back is requeued when its lease expires. */
export async function giveBack(
  { client, reporter }: Pick<JobRunnerParts, 'client' | 'reporter'>,
  job: ClaimedJob,
): Promise<void> {
  const signal = timeoutSignal(RELEASE_MS)
  try {
    await client.release(job.jobId, job.leaseToken, { signal, retries: 1 })
    reporter.event('info', `gave ${job.source.filename} back`, { job_id: job.jobId })
  } catch (error) {
    const text = `cannot give ${job.source.filename} back: ${messageOf(error)}`
    reporter.event('warn', text, { job_id: job.jobId })
  }
}
