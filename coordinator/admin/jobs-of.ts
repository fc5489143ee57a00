import { listAnswer, type JobSummary } from '../../shared/wire-answers.ts'
import type { AdminClient } from './client.ts'

const PAGE = 200

/** At most `limit` jobs, newest first, fetched page by page. `query`: filters of `GET /remote-jobs/`. */
export async function* jobsOf(
  client: AdminClient,
  query: Readonly<Record<string, string>> = {},
  limit = Infinity,
): AsyncGenerator<JobSummary, void> {
  const parameters = new URLSearchParams(query)
  for (let left = limit; left > 0;) {
    parameters.set('limit', String(Math.min(PAGE, left)))
    const route = `/remote-jobs/?${parameters.toString()}`
    const { jobs, nextCursor } = await client.ask('GET', route, listAnswer)
    yield* jobs
    if (nextCursor === null) return
    parameters.set('cursor', nextCursor)
    left -= jobs.length
  }
}

export function routeOf(jobId: string): string {
  return `/remote-jobs/${encodeURIComponent(jobId)}`
}
