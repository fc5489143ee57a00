import { randomUUID } from 'node:crypto'
import { timeOfDay } from '../../shared/time-of-day.ts'
import { API } from '../../shared/wire.ts'
import type { Client } from '../client/client.ts'
import { hostOf, isOwnAddress } from '../../shared/addresses.ts'
import type { Connection } from '../client/connection.ts'
import { expect, type Group } from './check.ts'
import { checkTransport } from './transport.ts'

const MOST_SKEW_MS = 60_000

/** Whether the coordinator is there, lets us in, and agrees on what time it is. */
export function connectionGroup(client: Client): Group {
  const { connection } = client
  return {
    name: 'connection',
    checks: [
      {
        name: 'the coordinator answers',
        async run() {
          const from = performance.now()
          const { version, status } = await client.health({ retries: 0 })
          const ms = Math.round(performance.now() - from)
          return `${connection.url}, version ${version}, ${status}, ${ms} ms away`
        },
      },
      {
        name: 'the connection is encrypted',
        run: async () => await checkTransport(connection.url),
      },
      {
        name: 'the coordinator accepts the key of this agent',
        async run() {
          const status = await look(connection)
          const fix =
            'Ask the server’s admin for a token: morag-coordinator token create --role worker --name …'
          expect(status === 404, `it answered ${status}`, fix)
          return 'the key is right, or none is needed'
        },
      },
      {
        name: 'the coordinator requires authentication',
        async run() {
          const open = (await look(connection, { authorization: '' })) !== 401
          const wrong = open ? 401 : await look(connection, { authorization: 'Bearer wrong' })
          const fix = 'Make a token there (morag-coordinator token create), or set MORAG_API_KEY.'
          expect(!open || isOwn(connection.url), 'it is open to everybody who reaches it', fix)
          expect(wrong === 401, `a wrong key is answered with ${wrong}`, fix)
          return open ? 'open, to this machine alone' : '401'
        },
      },
      {
        name: 'the clocks agree',
        async run() {
          const before = timeOfDay()
          const { headers, body } = await connection.exchange('/api/v1/health')
          await body.dump()
          const theirs = Date.parse(String(headers['date']))
          const skew = Math.abs(theirs - (before + timeOfDay()) / 2)
          const fix =
            'Set the clock of this machine or of the coordinator’s (timedatectl set-ntp true).'
          expect(skew < MOST_SKEW_MS, `they differ by ${Math.round(skew / 1000)} s`, fix)
          return `within ${Math.ceil(skew / 1000)} s`
        },
      },
    ],
  }
}

/** The status of an answer about a job that is not there, which every key may ask for. */
async function look(connection: Connection, headers?: Record<string, string>): Promise<number> {
  const path = `${API}/remote-jobs/${randomUUID()}/status`
  const { statusCode, body } = await connection.exchange(path, headers ? { headers } : {})
  await body.dump()
  return statusCode
}

function isOwn(url: string): boolean {
  return isOwnAddress(hostOf(new URL(url)))
}
