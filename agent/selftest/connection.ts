import { randomUUID } from 'node:crypto'
import { connect, type PeerCertificate } from 'node:tls'
import { DAY } from '../../shared/duration.ts'
import { timeOfDay } from '../../shared/time-of-day.ts'
import { API } from '../../shared/wire.ts'
import type { Client } from '../client/client.ts'
import { hostOf, isOwnAddress } from '../../shared/addresses.ts'
import type { Connection } from '../../shared/connection.ts'
import { isExposed } from '../client/plain-http.ts'
import { expect, type Group } from './check.ts'

const MOST_SKEW_MS = 60_000
const PATIENCE_MS = 10_000
const LEAST_DAYS = 14

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
          const status = await statusFor(connection)
          const fix =
            'Ask the coordinator’s admin for a token: morag-coordinator token create --role worker --name …'
          expect(status === 404, `it answered ${status}`, fix)
          return 'the key is accepted, or none is needed'
        },
      },
      {
        name: 'the coordinator requires authentication',
        async run() {
          const open = (await statusFor(connection, { authorization: '' })) !== 401
          const wrong = open ? 401 : await statusFor(connection, { authorization: 'Bearer wrong' })
          const fix = 'Create a token there (morag-coordinator token create), or set MORAG_API_KEY.'
          expect(!open || isOwn(connection.url), 'anyone who can reach it can use it', fix)
          expect(wrong === 401, `a wrong key is answered with ${wrong}`, fix)
          return open ? 'open, but only to this machine' : '401'
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

/** The status for an unknown job, which every key may ask for. */
async function statusFor(
  connection: Connection,
  headers?: Record<string, string>,
): Promise<number> {
  const path = `${API}/remote-jobs/${randomUUID()}/status`
  const { statusCode, body } = await connection.exchange(path, headers ? { headers } : {})
  await body.dump()
  return statusCode
}

function isOwn(url: string): boolean {
  return isOwnAddress(hostOf(new URL(url)))
}

export async function checkTransport(coordinator: string): Promise<string> {
  const url = new URL(coordinator)
  if (url.protocol === 'http:') {
    const fix =
      'Give the coordinator a certificate (--tls-cert, --tls-key) or put a TLS proxy in front of it.'
    expect(!(await isExposed(coordinator)), 'plain http through a public network', fix)
    return 'plain http, but on this machine or in a private network'
  }
  const { validTo, protocol } = await certificateOf(hostOf(url), Number(url.port || 443))
  const days = Math.floor((validTo - timeOfDay()) / DAY)
  const fix = 'Renew the coordinator’s certificate.'
  expect(days >= LEAST_DAYS, `its certificate expires in ${days} days`, fix)
  return `${protocol}, certificate valid for ${days} more days`
}

async function certificateOf(
  host: string,
  port: number,
): Promise<{ validTo: number; protocol: string }> {
  return await new Promise((resolve, reject) => {
    const socket = connect({ host, port, servername: host, timeout: PATIENCE_MS }, () => {
      const certificate: Partial<PeerCertificate> = socket.getPeerCertificate()
      resolve({
        validTo: Date.parse(certificate.valid_to ?? ''),
        protocol: socket.getProtocol() ?? 'TLS',
      })
      socket.end()
    })
    socket.on('error', reject)
    socket.on('timeout', () => socket.destroy(new Error('no answer')))
  })
}
