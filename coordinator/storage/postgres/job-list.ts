import type { Job } from '../../job/job.ts'
import type { JobPage, JobQuery, OrderKey } from '../job-store.ts'
import { isJobId } from '../record.ts'
import type { Database, Statement } from './database.ts'
import { keyOf, plainText, type JobRow } from './rows.ts'
import { LEASE, ROW } from './statements.ts'

/** A search looks at so many jobs at a time: each statement ends soon. */
const SLICE = 10_000
const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff'

interface FoundRow extends JobRow {
  fits: boolean
  /** The last job of its slice: it is there whether it fits or not. */
  is_end: boolean
}

/** Jobs, newest first. @param jobOf reads a row. */
export async function listJobs(
  database: Database,
  query: JobQuery,
  most: number,
  jobOf: (row: JobRow) => Job,
): Promise<JobPage> {
  const jobs: Job[] = []
  for (let { before } = query; ;) {
    const { statement, values } = listStatement({ ...query, before })
    const left = most + 1 - jobs.length
    const rows = await database.query<FoundRow>(statement, [...values, SLICE, left + 1])
    for (const row of rows) {
      if (row.is_end) before = jobOf(row)
      if (row.fits && jobs.push(jobOf(row)) > most)
        return { jobs: jobs.slice(0, most), isLast: false }
    }
    if (!rows.some((row) => row.is_end)) return { jobs, isLast: true }
  }
}

/** What an index knows chooses a slice, and the rest is looked for in that. */
function listStatement(query: JobQuery): { statement: Statement; values: unknown[] } {
  const { submittedBy, status, contentType, workerId, text, before } = query
  const values: unknown[] = []
  const value = (one: unknown): string => `$${values.push(one)}`
  const inner = ['true']
  if (submittedBy === null) inner.push('submitted_by IS NULL')
  else if (submittedBy !== undefined) inner.push(`submitted_by = ${value(keyOf(submittedBy))}`)
  if (status !== undefined) inner.push(`status = ${value(status)}`)
  if (before !== undefined) inner.push(`(created_at, job_id) < ${keyIn(before, value)}`)
  const outer = ['true']
  if (contentType !== undefined) outer.push(`content_type = ${value(keyOf(contentType))}`)
  if (workerId !== undefined) outer.push(`worker_id = ${value(keyOf(workerId))}`)
  const needle = plainText(text?.toLowerCase() ?? '')
  if (needle !== '') outer.push(`position(${value(needle)} IN search) > 0`)
  const [slice, most] = [`$${values.length + 1}`, `$${values.length + 2}`]
  const order = 'ORDER BY created_at DESC, job_id DESC'
  const given = [
    submittedBy === null,
    submittedBy !== undefined,
    status,
    before,
    contentType,
    workerId,
    needle,
  ]
  const statement = {
    name: `list ${given.map((one) => Number(Boolean(one))).join('')}`,
    text: `SELECT ${ROW}, j.fits, j.is_end FROM (
        SELECT *, ${outer.join(' AND ')} AS fits, row_number() OVER (${order}) = ${slice} AS is_end
        FROM morag.jobs WHERE ${inner.join(' AND ')} ${order} LIMIT ${slice}) j ${LEASE}
      WHERE j.fits OR j.is_end ORDER BY j.created_at DESC, j.job_id DESC LIMIT ${most}`,
  }
  return { statement, values }
}

function keyIn({ createdAt, jobId }: OrderKey, value: (one: unknown) => string): string {
  return `(${value(createdAt)}::bigint, ${value(isJobId(jobId) ? jobId : LAST_ID)}::uuid)`
}
