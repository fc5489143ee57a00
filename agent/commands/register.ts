import { constants } from 'node:fs'
import { access, mkdir } from 'node:fs/promises'
import { hostname } from 'node:os'
import path from 'node:path'
import { optionOf } from '../../shared/setting-table.ts'
import { COORDINATOR } from '../settings/table.ts'
import type { Command } from 'commander'
import { AppError } from '../../shared/errors.ts'
import { setting } from '../../shared/settings.ts'
import { keyIn } from '../client/api-key.ts'
import { Client } from '../client/client.ts'
import { type Flags } from '../settings/start-settings.ts'
import { Connection } from '../client/connection.ts'
import { writeDurably } from '../client/durable.ts'
import { print } from '../output.ts'
import { keyFileFor } from '../paths.ts'
import { isReadOnTheWay, readOnTheWayText } from '../client/plain-http.ts'
import { checked, workerName } from '../settings/setting-values.ts'

const EXAMPLES = `
Examples:
  morag-agent register --url https://morag.example --registration-token-file ./once
  morag-agent register --url https://morag.example --registration-token-file ./once --name gpu-7 --api-key-file /etc/morag/key

The server's admin makes the one-time token: morag-coordinator token create --role register --name gpu-7
`

const KEY_HINT = 'A one-time token is good for one use: ask the server’s admin for another.'

export function addRegister(cli: Command): void {
  cli
    .command('register')
    .description("exchange a one-time token for this machine's own key")
    .addOption(optionOf(COORDINATOR.url))
    .requiredOption('--registration-token-file <file>', 'file that holds the one-time token')
    .addOption(
      setting('--name <name>', "the key's name (default: the machine's)", 'MORAG_WORKER_ID')
        .argParser(checked(workerName))
        .default(hostname(), "the machine's"),
    )
    .option(
      '--api-key-file <file>',
      'where to keep the key (default: where every command finds it by itself)',
    )
    .option('--force', 'replace the key that is there')
    .option('--json', 'for programs: one object at the end')
    .addHelpText('after', EXAMPLES)
    .action(register)
}

async function register(flags: Flags): Promise<void> {
  const url = String(flags['url'])
  const kept = flags['apiKeyFile']
  const target = typeof kept === 'string' ? path.resolve(kept) : keyFileFor(url)
  const once = keyIn(String(flags['registrationTokenFile']), ' (--registration-token-file)')
  // The token is good for one time: whatever can be wrong here is found out before.
  await checkTarget(target, flags['force'] === true)
  if (await isReadOnTheWay(url)) process.stderr.write(`${readOnTheWayText(url)}\n`)
  const connection = new Connection({ url, apiKey: once, keyHint: KEY_HINT, retries: 0 })
  try {
    const { token, name } = await new Client(connection).register({ name: String(flags['name']) })
    await writeDurably(target, `${token}\n`)
    await print(
      flags['json'] === true
        ? `${JSON.stringify({ name, url, api_key_file: target })}\n`
        : `Registered as ${name}. The key is in ${target}; start with: morag-agent start --url ${url}${typeof kept === 'string' ? ` --api-key-file ${target}` : ''}\n`,
    )
  } finally {
    await connection.close()
  }
}

/** @throws {AppError} `usage` when a key is there already. */
async function checkTarget(target: string, replace: boolean): Promise<void> {
  const folder = path.dirname(target)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await access(folder, constants.W_OK)
  const exists = await access(target).then(
    () => true,
    () => false,
  )
  if (exists && !replace) {
    const message = `There is a key in ${target} already: use it, or replace it with --force.`
    throw new AppError('usage', message)
  }
}
