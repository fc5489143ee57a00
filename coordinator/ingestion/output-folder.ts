import { randomUUID } from 'node:crypto'
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { isSystemError, messageOf } from '../../shared/errors.ts'
import { syncDirectory } from '../journal.ts'
import type { EndedJob, ResultBody } from '../job.ts'
import { stemOf } from './file-stem.ts'
import type { TryStep } from './step.ts'

/**
 * Writes a job's text to a folder, as `<name>.md` and `<name>.json`, each of them whole or not at all. A name that
 * another job has gets the beginning of the job's id.
 */
export function folderStep(
  folder: string,
  resultOf: (job: EndedJob) => Promise<ResultBody | null>,
): TryStep {
  return async (job) => {
    const result = await resultOf(job)
    if (result === null) return { done: true }
    try {
      await mkdir(folder, { recursive: true })
      const stem = await freeStem(folder, job)
      const facts = {
        job_id: job.jobId,
        task_id: job.ingestionTaskId,
        document_id: job.ingestion?.documentId ?? null,
        content_type: job.contentType,
        file_name: job.source.filename,
        completed_at: new Date(job.completedAt).toISOString(),
        metadata: result.metadata,
      }
      // The facts first: they say whose the name is, should we be stopped in between.
      await replace(folder, `${stem}.json`, `${JSON.stringify(facts, null, 2)}\n`)
      await replace(folder, `${stem}.md`, result.content)
      await syncDirectory(folder)
      return { done: true }
    } catch (error) {
      if (!(error instanceof Error && 'code' in error)) throw error
      const message = `The text could not be written to ${folder}: ${messageOf(error)}.`
      return { done: false, message, final: false, retryAfterMs: null }
    }
  }
}

async function freeStem(folder: string, { jobId, source }: EndedJob): Promise<string> {
  const stem = stemOf(source.filename)
  const owner = await ownerOf(folder, stem)
  return owner === null || owner === jobId ? stem : `${stem}-${jobId.slice(0, 8)}`
}

/** The job that a name belongs to; null when it is free. */
async function ownerOf(folder: string, stem: string): Promise<string | null> {
  try {
    const text = await readFile(path.join(folder, `${stem}.json`), 'utf8')
    const facts: unknown = JSON.parse(text)
    const id = typeof facts === 'object' && facts !== null && 'job_id' in facts ? facts.job_id : ''
    return typeof id === 'string' ? id : ''
  } catch (error) {
    if (error instanceof SyntaxError) return ''
    if (!isSystemError(error, 'ENOENT')) throw error
  }
  const taken = await stat(path.join(folder, `${stem}.md`)).catch(() => null)
  return taken === null ? null : ''
}

async function replace(folder: string, name: string, text: string): Promise<void> {
  const temporary = path.join(folder, `.${randomUUID()}.tmp`)
  try {
    const file = await open(temporary, 'wx')
    try {
      await file.writeFile(text)
      await file.datasync()
    } finally {
      await file.close()
    }
    await rename(temporary, path.join(folder, name))
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}
