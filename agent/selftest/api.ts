import { randomUUID } from 'node:crypto'
import type { Connection } from '../connection.ts'
import { parseJson } from '../connection.ts'
import { expect, type Group } from './check.ts'

const FIX =
  'Update the coordinator, or what stands in front of it: something on the way changes its answers.'
const JOBS = '/api/v1/remote-jobs'

interface Answer {
  status: number
  body: Record<string, unknown>
}

/** Whether the original's routes answer as its clients and workers expect. */
export function apiGroup(connection: Connection): Group {
  const nothing = `selftest-${randomUUID()}`
  const get = async (path: string): Promise<Answer> => call(connection, 'GET', path)
  const send = async (method: 'POST' | 'PUT', path: string, body: unknown): Promise<Answer> =>
    call(connection, method, path, body)
  const refused = ({ status, body }: Answer, expected: number): string => {
    expect(status === expected, `it answered ${status} instead of ${expected}`, FIX)
    expect('detail' in body, 'the refusal has no detail', FIX)
    return `${status} with a detail`
  }
  return {
    name: 'api',
    checks: [
      {
        name: 'a poll with nothing to do has its four keys, all null',
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
      {
        name: 'a poll without a worker is refused',
        run: async () => refused(await get(`${JOBS}/poll`), 422),
      },
      {
        name: 'a job without its fields is refused, field by field',
        async run() {
          const answer = await send('POST', `${JOBS}/`, {})
          expect(Array.isArray(answer.body['detail']), 'detail is not a list', FIX)
          return refused(answer, 422)
        },
      },
      {
        name: 'a path outside the media roots is refused',
        run: async () =>
          refused(
            await send('POST', `${JOBS}/`, {
              source_file_path: '/etc/passwd',
              content_type: nothing,
              ingestion_task_id: 'selftest',
            }),
            422,
          ),
      },
      {
        name: 'the status of an unknown job is 404',
        run: async () => refused(await get(`${JOBS}/${randomUUID()}/status`), 404),
      },
      {
        name: 'the download of an unknown job is 404',
        run: async () => refused(await get(`${JOBS}/${randomUUID()}/download`), 404),
      },
      {
        name: 'a result for an unknown job is 404',
        run: async () =>
          refused(
            await send('PUT', `${JOBS}/${randomUUID()}/result`, { success: true, content: '' }),
            404,
          ),
      },
      {
        name: 'a result that says nothing is refused',
        run: async () => refused(await send('PUT', `${JOBS}/${randomUUID()}/result`, {}), 422),
      },
    ],
  }
}

async function call(
  connection: Connection,
  method: 'GET' | 'POST' | 'PUT',
  path: string,
  body?: unknown,
): Promise<Answer> {
  const { statusCode, body: answer } = await connection.exchange(path, {
    method,
    ...(body === undefined
      ? {}
      : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  })
  const parsed = parseJson(await answer.text())
  const isObject = typeof parsed === 'object' && parsed !== null
  return { status: statusCode, body: isObject ? (parsed as Record<string, unknown>) : {} }
}
