import { randomUUID } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'

/** Puts jobs into a data folder's `pending/`, as a person could. */
export function writeJobFiles(
  dataDir: string,
  count: number,
  sourceFile: string,
  optionsOf: (n: number) => Record<string, unknown> = () => ({ language: 'en' }),
): void {
  const folder = path.join(dataDir, 'pending')
  mkdirSync(folder, { recursive: true })
  for (let n = 0; n < count; n += 1) {
    const jobId = randomUUID()
    const job = {
      job_id: jobId,
      status: 'pending',
      content_type: 'audio',
      ingestion_task_id: `bench-${n}`,
      task_options: optionsOf(n),
      submitted_by: 'somebody',
      priority: 0,
      source: {
        kind: 'path',
        path: sourceFile,
        filename: 'source.wav',
        size_bytes: 4,
        sha256: null,
      },
      created_at: new Date(1_700_000_000_000 + n).toISOString(),
      max_retries: 3,
      retry_count: 0,
      attempts: [],
    }
    writeFileSync(path.join(folder, `${jobId}.json`), `${JSON.stringify(job, null, 2)}\n`)
  }
}
