import type { Command } from 'commander'
import { Agent, request } from 'undici'
import { SECOND } from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'
import { networkReason } from '../../shared/network.ts'
import { setting, wholeNumber } from '../../shared/settings.ts'

const EXAMPLES = `
Examples:
  morag-coordinator health                 as the image's health check; takes MORAG_HOST and MORAG_PORT

Exit code 1 when it does not answer, or answers that it cannot serve.
`

/** So long an answer may take. */
const PATIENCE_MS = 4 * SECOND

export function addHealth(cli: Command): void {
  cli
    .command('health')
    .description(
      'ask the coordinator on this machine whether it can serve, over TLS where it speaks that',
    )
    .addOption(
      setting('--host <address>', 'the address that it listens on', 'MORAG_HOST').default(
        '127.0.0.1',
      ),
    )
    .addOption(
      setting('--port <number>', 'its port', 'MORAG_PORT')
        .argParser(wholeNumber(1, 65_535))
        .default(8000),
    )
    .addHelpText('after', EXAMPLES)
    .action(async ({ host, port }: { host: string; port: number }) => {
      process.stdout.write(`${await healthOf(host, port)}\n`)
    })
}

/**
 * What a coordinator that listens there says of itself.
 * @throws {AppError} `unavailable` when it cannot serve or does not answer.
 */
async function healthOf(host: string, port: number): Promise<string> {
  const everywhere = ['0.0.0.0', '::', '[::]'].includes(host)
  const name = everywhere
    ? '127.0.0.1'
    : host.includes(':')
      ? `[${host.replace(/[[\]]/g, '')}]`
      : host
  // It is this machine that is asked, mostly by an address that no certificate is for.
  const dispatcher = new Agent({ connect: { rejectUnauthorized: false, timeout: PATIENCE_MS } })
  const failures: string[] = []
  try {
    for (const scheme of ['http', 'https']) {
      const url = `${scheme}://${name}:${port}/health`
      try {
        const limits = { headersTimeout: PATIENCE_MS, bodyTimeout: PATIENCE_MS }
        const { statusCode, body } = await request(url, { dispatcher, ...limits })
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
