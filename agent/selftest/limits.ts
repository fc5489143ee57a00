import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { z } from 'zod'
import { API, createdAnswer } from '../../shared/wire.ts'
import { type Connection } from '../../shared/connection.ts'
import { tryJson } from '../../shared/body-text.ts'
import { expect, type Group } from './check.ts'
import { removeJob } from './remove-job.ts'

const MIB = 1024 * 1024
/** More than the usual limit of proxies, 1 MiB. */
const UPLOAD_MIB = 16
const BOUNDARY = 'morag-selftest'

const detailed = z.object({ detail: z.string() })

/** Oversized requests are refused with a reason, and large uploads get through, also through proxies. */
export function limitsGroup(connection: Connection): Group {
  let made: string | null = null
  return {
    name: 'limits',
    checks: [
      {
        name: 'an oversized request is refused with a reason',
        async run() {
          const { statusCode, body } = await tooLarge(connection)
          const answer = detailed.safeParse(tryJson(await body.text()))
          const fix = 'Let the proxy in front of the coordinator pass its refusals on unchanged.'
          expect(statusCode === 413, `it answered ${statusCode} instead of 413`, fix)
          expect(answer.success, 'it gave no reason', fix)
          return `413: ${answer.data.detail}`
        },
      },
      {
        name: 'oversized headers are refused',
        alone: true,
        async run() {
          const headers = { 'x-selftest': 'x'.repeat(64 * 1024) }
          const { statusCode, body } = await connection.exchange(`${API}/health`, { headers })
          await body.dump()
          const fix = 'Set a limit for headers in the proxy in front of the coordinator.'
          expect(statusCode >= 400 && statusCode < 500, `it answered ${statusCode}`, fix)
          return String(statusCode)
        },
      },
      {
        name: `an upload of ${UPLOAD_MIB} MiB gets through`,
        alone: true,
        async run() {
          const response = await connection.exchange(`${API}/remote-jobs/`, {
            method: 'POST',
            headers: {
              'content-type': `multipart/form-data; boundary=${BOUNDARY}`,
              'idempotency-key': randomUUID(),
            },
            body: Readable.from(form(`selftest-${randomUUID()}`)),
          })
          // A worker's key may not upload.
          if (response.statusCode === 403) throw await connection.refusal(response)
          const { statusCode, body } = response
          const answer = createdAnswer.safeParse(tryJson(await body.text()))
          if (answer.success) made = answer.data.job_id
          const fix =
            'Allow bodies of --max-upload in the proxy in front of the coordinator (nginx: client_max_body_size 0; proxy_request_buffering off).'
          expect(statusCode === 200 && answer.success, `it answered ${statusCode}`, fix)
          return 'accepted'
        },
      },
    ],
    async after() {
      if (made !== null) await removeJob(connection, made)
    },
  }
}

/** Sends 2 MiB to a route of submitters, else of workers: a request that the key may not make is refused unread. */
async function tooLarge(connection: Connection): Promise<Dispatcher.ResponseData> {
  const body = JSON.stringify({ source_file_path: 'x'.repeat(2 * MIB) })
  const headers = { 'content-type': 'application/json' }
  const send = async (route: string): Promise<Dispatcher.ResponseData> =>
    await connection.exchange(`${API}${route}`, { method: 'POST', headers, body })
  const answer = await send('/remote-jobs/')
  if (answer.statusCode !== 403) return answer
  await answer.body.dump()
  return await send('/remote-jobs/claim')
}

function* form(contentType: string): Generator<string | Buffer> {
  yield `--${BOUNDARY}\r\ncontent-disposition: form-data; name="content_type"\r\n\r\n${contentType}\r\n`
  yield `--${BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="selftest"\r\n\r\n`
  const piece = Buffer.alloc(MIB)
  for (let i = 0; i < UPLOAD_MIB; i += 1) yield piece
  yield `\r\n--${BOUNDARY}--\r\n`
}
