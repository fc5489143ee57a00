import type { Command } from 'commander'
import { Agent, request } from 'undici'
import { SECOND } from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'
import { networkReason } from '../../shared/network.ts'
import { addSettings, wholeNumber } from '../../shared/settings.ts'
import { SERVER } from '../settings.ts'

const EXAMPLES = `
Examples:
  morag-coordinator health          the health check of the container image

Exit code 1 if the coordinator does not answer, or reports that it cannot serve.
`

const TIMEOUT_MS = 4 * SECOND
const LISTENS_AT = {
  host: { ...SERVER.host, help: 'address of the coordinator' },
  port: { ...SERVER.port, help: 'its port', parse: wholeNumber(1, 65_535) },
}

export function addHealth(cli: Command): void {
  addSettings(cli.command('health'), LISTENS_AT)
    .description('check the coordinator on this machine, over HTTP or HTTPS')
    .addHelpText('after', EXAMPLES)
    .action(async ({ host, port }: { host: string; port: number }) => {
      process.stdout.write(`${await healthOf(`${reachable(host)}:${port}`)}\n`)
    })
}

/** The host part of a URL for a listening address. */
function reachable(host: string): string {
  if (['0.0.0.0', '::', '[::]'].includes(host)) return '127.0.0.1'
  return host.includes(':') ? `[${host.replace(/[[\]]/g, '')}]` : host
}

/**
 * The answer of `GET /health`.
 * @throws {AppError} `unavailable` without a 200.
 */
async function healthOf(place: string): Promise<string> {
  // No certificate is for 127.0.0.1; the request stays on this machine.
  const connect = { rejectUnauthorized: false, timeout: TIMEOUT_MS }
  const dispatcher = new Agent({ connect, headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS })
  const failures: string[] = []
  try {
    for (const scheme of ['http', 'https']) {
      const url = `${scheme}://${place}/health`
      try {
        const { statusCode, body } = await request(url, { dispatcher })
        const text = (await body.text()).trim()
        if (statusCode === 200) return text
        failures.push(`${url} answered ${statusCode}: ${text.slice(0, 200)}`)
      } catch (error) {
        failures.push(`${url}: ${networkReason(error)}`)
      }
    }
    throw new AppError('unavailable', failures.join('; '))
  } finally {
    await dispatcher.destroy()
  }
}
