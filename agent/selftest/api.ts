import { randomUUID } from 'node:crypto'
import { Client } from '../client/client.ts'
import { type Connection } from '../../shared/connection.ts'
import { tryJson } from '../../shared/body-text.ts'
import { expect, type Check, type Group } from './check.ts'
import { CLIPS } from './clips.ts'
import { removeJob } from './remove-job.ts'

const FIX =
  'Update the coordinator, or the proxy in front of it: something on the way changes its answers.'
const JOBS = '/api/v1/remote-jobs'

const STATUS_KEYS =
  'job_id status worker_id created_at started_at completed_at error_message retry_count estimated_completion'.split(
    ' ',
  )

interface Answer {
  status: number
  body: Record<string, unknown>
}

export function apiGroup(connection: Connection): Group {
  const nothing = `selftest-${randomUUID()}`
  const get = async (path: string): Promise<Answer> => call(connection, 'GET', path)
  const send = async (method: 'POST' | 'PUT', path: string, body: unknown): Promise<Answer> =>
    call(connection, method, path, body)
  const clip = CLIPS[0]
  let jobId: string | null = null
  let source = ''
  return {
    name: 'api',
    checks: [
      {
        name: 'a poll takes an uploaded job',
        async run() {
          const { jobId: made } = await new Client(connection).create({
            file: clip.file,
            filename: clip.name,
            contentType: nothing,
            idempotencyKey: randomUUID(),
          })
          jobId = made
          const { status, body } = await get(
            `${JOBS}/poll?worker_id=selftest&content_types=document,%20${nothing}-2,%20${nothing}`,
          )
          expect(status === 200 && body['job_id'] === made, 'it did not return the job', FIX)
          source = String(body['source_file_url'])
          expect(source.startsWith('/'), 'source_file_url is not a path', FIX)
          return `job ${made}`
        },
      },
      {
        name: 'its source is downloaded, with its headers',
        async run() {
          const { statusCode, headers, body } = await connection.exchange(source)
          const { byteLength } = await body.arrayBuffer()
          expect(statusCode === 200, `it answered ${statusCode}`, FIX)
          for (const name of ['etag', 'accept-ranges', 'content-disposition']) {
            expect(name in headers, `the header ${name} is missing`, FIX)
          }
          const length = Number(headers['content-length'])
          expect(length === byteLength, `content-length is ${length} for ${byteLength} bytes`, FIX)
          return `${byteLength} bytes`
        },
      },
      {
        name: 'its result completes it',
        async run() {
          const result = { success: true, content: 'Self-test.', metadata: {} }
          const { status, body } = await send('PUT', `${JOBS}/${jobId}/result`, result)
          expect(status === 200, `it answered ${status}`, FIX)
          expect(body['status'] === 'completed', `it is ${String(body['status'])}`, FIX)
          expect('ingestion_continued' in body, 'ingestion_continued is missing', FIX)
          return 'completed'
        },
      },
      {
        name: 'its status has the keys that clients know',
        async run() {
          const { body } = await get(`${JOBS}/${jobId}/status`)
          const keys = Object.keys(body).slice(0, STATUS_KEYS.length)
          expect(keys.join() === STATUS_KEYS.join(), `they are ${keys.join(', ')}`, FIX)
          expect(body['worker_id'] === 'selftest', 'worker_id differs', FIX)
          return STATUS_KEYS.join(', ')
        },
      },
      {
        name: 'a poll with nothing to do has its four keys, all null',
        alone: true,
        async run() {
          const { status, body } = await get(
            `${JOBS}/poll?worker_id=selftest&content_types=${nothing}`,
          )
          expect(status === 200, `it answered ${status}`, FIX)
          for (const key of ['job_id', 'source_file_url', 'content_type', 'task_options']) {
            expect(body[key] === null, `${key} is not null`, FIX)
          }
          return '200'
        },
      },
      refusal('a poll without a worker is refused', 422, () => get(`${JOBS}/poll`)),
      {
        name: 'a job without its fields is refused, field by field',
        alone: true,
        async run() {
          const answer = await send('POST', `${JOBS}/`, {})
          expect(Array.isArray(answer.body['detail']), 'detail is not a list', FIX)
          return refused(answer, 422)
        },
      },
      refusal('a path outside the media roots is refused', 422, () =>
        send('POST', `${JOBS}/`, {
          source_file_path: '/etc/passwd',
          content_type: nothing,
          ingestion_task_id: 'selftest',
        }),
      ),
      refusal('the status of an unknown job is 404', 404, () => get(`${unknownJob()}/status`)),
      refusal('the download of an unknown job is 404', 404, () => get(`${unknownJob()}/download`)),
      refusal('a result for an unknown job is 404', 404, () =>
        send('PUT', `${unknownJob()}/result`, { success: true, content: '' }),
      ),
      refusal('an empty result is refused', 422, () => send('PUT', `${unknownJob()}/result`, {})),
    ],
    async after() {
      if (jobId !== null) await removeJob(connection, jobId)
    },
  }
}

function refusal(name: string, status: number, ask: () => Promise<Answer>): Check {
  return { name, alone: true, run: async () => refused(await ask(), status) }
}

function refused({ status, body }: Answer, expected: number): string {
  expect(status === expected, `it answered ${status} instead of ${expected}`, FIX)
  expect('detail' in body, 'the refusal has no detail', FIX)
  return `${status} with a detail`
}

function unknownJob(): string {
  return `${JOBS}/${randomUUID()}`
}

async function call(
  connection: Connection,
  method: 'GET' | 'POST' | 'PUT',
  path: string,
  body?: unknown,
): Promise<Answer> {
  const response = await connection.exchange(path, {
    method,
    ...(body === undefined
      ? {}
      : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  })
  if (response.statusCode === 403) throw await connection.refusal(response)
  const { statusCode, body: answer } = response
  const parsed = tryJson(await answer.text())
  const isObject = typeof parsed === 'object' && parsed !== null
  return { status: statusCode, body: isObject ? (parsed as Record<string, unknown>) : {} }
}
