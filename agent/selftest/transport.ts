import { connect, type PeerCertificate } from 'node:tls'
import { timeOfDay } from '../../shared/time-of-day.ts'
import { DAY } from '../../shared/duration.ts'
import { hostOf } from '../../shared/addresses.ts'
import { isReadOnTheWay } from '../client/plain-http.ts'
import { expect } from './check.ts'

const PATIENCE_MS = 10_000
/** Time enough to have a certificate renewed. */
const LEAST_DAYS = 14

/** Whether nobody on the way can read what goes to the coordinator; what was seen. */
export async function checkTransport(coordinator: string): Promise<string> {
  const url = new URL(coordinator)
  if (url.protocol === 'http:') {
    const fix =
      'Give the coordinator a certificate (--tls-cert, --tls-key) or put a proxy with one in front of it.'
    expect(!(await isReadOnTheWay(coordinator)), 'plain http through a public network', fix)
    return 'plain http, on this machine or in a private network'
  }
  const { validTo, protocol } = await certificateOf(hostOf(url), Number(url.port || 443))
  const days = Math.floor((validTo - timeOfDay()) / DAY)
  const fix = 'Renew the coordinator’s certificate.'
  expect(days >= LEAST_DAYS, `its certificate ends in ${days} days`, fix)
  return `${protocol}, a trusted certificate for ${days} more days`
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
