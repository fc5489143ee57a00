import { listAnswer, type JobSummary } from '../../shared/wire-answers.ts'
import type { AdminClient } from './client.ts'

const PAGE = 200

/** Jobs, newest first, fetched page by page. `query`: parameters of `GET /remote-jobs/`. */
export async function* jobsOf(
  client: AdminClient,
  query: Readonly<Record<string, string>> = {},
): AsyncGenerator<JobSummary, void> {
  const parameters = new URLSearchParams({ limit: String(PAGE), ...query })
  for (;;) {
    const route = `/remote-jobs/?${parameters.toString()}`
    const { jobs, nextCursor } = await client.ask('GET', route, listAnswer)
    yield* jobs
    if (nextCursor === null) return
    parameters.set('cursor', nextCursor)
  }
}

export function routeOf(jobId: string): string {
  return `/remote-jobs/${encodeURIComponent(jobId)}`
}
