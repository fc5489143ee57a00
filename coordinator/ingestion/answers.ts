import { API } from '../../shared/wire.ts'
import type { IngestAnswer, ProcessAnswer, TaskAnswer } from '../../shared/wire-ingestion.ts'
import { hasEnded, type Job } from '../job/job.ts'
import type { Views } from '../views.ts'
import { celeryState, taskState } from './tasks.ts'

/** The answer of `POST /process` for a file that became a job. */
export async function processAnswer(job: Job, views: Views, now: number): Promise<ProcessAnswer> {
  const { seconds, basis } = await views.remaining(job)
  const taskId = job.ingestionTaskId
  const isLocal = job.ingestion?.local === true
  return {
    success: true,
    mode: job.ingestion?.mode ?? 'ingest',
    content: null,
    metadata: { ...job.ingestion?.metadata, remote: !isLocal, remote_job_id: job.jobId },
    processingTimeMs: now - job.createdAt,
    taskId,
    estimatedTimeSeconds: seconds,
    estimateBasis: basis,
    statusUrl: `${API}/status/${encodeURIComponent(taskId)}`,
    documentId: job.ingestion?.documentId ?? null,
    errorMessage: null,
    warnings: [],
    thumbnails: null,
    message: isLocal
      ? `The ${job.contentType} file is processed by the coordinator itself.`
      : `The ${job.contentType} file waits for a remote worker.`,
    jobId: job.jobId,
  }
}

/** The answer of `POST /ingest/file` for a file that became a job. */
export async function ingestAnswer(job: Job, views: Views, now: number): Promise<IngestAnswer> {
  const { taskId, message, estimatedTimeSeconds, estimateBasis, statusUrl, jobId } =
    await processAnswer(job, views, now)
  const estimatedTime = estimatedTimeSeconds
  return { taskId, status: 'pending', message, estimatedTime, estimateBasis, statusUrl, jobId }
}

/** @param result null unless the job has completed. */
export async function taskAnswer<Result>(
  job: Job,
  views: Views,
  result: Result,
): Promise<Omit<TaskAnswer, 'result'> & { result: Result }> {
  const detail = await views.detail(job)
  const { seconds, basis } = await views.remaining(job)
  return {
    taskId: job.ingestionTaskId,
    status: celeryState(job),
    state: taskState(job),
    progress: hasEnded(job) ? 1 : (detail.progress ?? 0),
    message: detail.errorMessage ?? detail.stage ?? job.status,
    result,
    error: job.status === 'completed' ? null : detail.errorMessage,
    createdAt: job.createdAt,
    startedAt: detail.startedAt,
    completedAt: detail.completedAt,
    estimatedCompletion: detail.estimatedCompletion,
    estimatedTimeRemaining: seconds,
    estimateBasis: basis,
    waitingFor: detail.waitingFor,
    jobId: job.jobId,
    jobStatus: job.status,
    continuation: detail.continuation,
  }
}
