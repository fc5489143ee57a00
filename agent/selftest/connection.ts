import type { Client } from '../client.ts'
import { expect, type Group } from './check.ts'

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
        name: 'it lets this agent in',
        async run() {
          await connection.text('/api/v1/remote-jobs/?limit=1', {}, { retries: 0 })
          return 'the key is right, or none is needed'
        },
      },
      {
        name: 'the clocks agree',
        async run() {
          const before = Date.now()
          const { headers, body } = await connection.exchange('/api/v1/health')
          await body.dump()
          const theirs = Date.parse(String(headers['date']))
          const skew = Math.abs(theirs - (before + Date.now()) / 2)
          const fix =
            'Set the clock of this machine or of the coordinator’s (timedatectl set-ntp true).'
          expect(skew < MOST_SKEW_MS, `they differ by ${Math.round(skew / 1000)} s`, fix)
          return `within ${Math.ceil(skew / 1000)} s`
        },
      },
    ],
  }
}
