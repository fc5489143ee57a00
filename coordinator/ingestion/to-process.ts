import type { JobBase } from '../job/job.ts'

/** What is known of a file, whether or not it is a job already. */
export type ToProcess = Pick<JobBase, 'contentType' | 'taskOptions' | 'ingestion'> & {
  source: Pick<JobBase['source'], 'filename'>
}
