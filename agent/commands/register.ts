import { constants } from 'node:fs'
import { access, mkdir } from 'node:fs/promises'
import { hostname } from 'node:os'
import path from 'node:path'
import { optionOf } from '../../shared/settings.ts'
import { COORDINATOR } from '../settings/table.ts'
import type { Command } from 'commander'
import { AppError } from '../../shared/errors.ts'
import { replaceFile } from '../../shared/replace-file.ts'
import { keyIn } from '../client/api-key.ts'
import { Client } from '../client/client.ts'
import { type Flags } from '../settings/config.ts'
import { Connection } from '../../shared/connection.ts'
import { print } from '../output.ts'
import { keyFileFor } from '../paths.ts'
import { exposureWarning } from '../client/plain-http.ts'
import { workerName } from '../settings/setting-values.ts'

const EXAMPLES = `
Examples:
  morag-agent register --url https://morag.example --registration-token-file ./once
  morag-agent register --url https://morag.example --registration-token-file ./once --name gpu-7 --api-key-file /etc/morag/key

The coordinator's admin creates the one-time token: morag-coordinator token create --role register --name gpu-7
`

const KEY_HINT = 'A one-time token can be used once: ask the coordinator’s admin for another.'

const NAME = {
  flag: '--name <name>',
  env: 'MORAG_WORKER_ID',
  help: "the key's name",
  parse: workerName,
  default: hostname(),
  defaultText: "the machine's",
}

export function addRegister(cli: Command): void {
  cli
    .command('register')
    .description("exchange a one-time token for this machine's own key")
    .addOption(optionOf(COORDINATOR.url))
    .requiredOption('--registration-token-file <file>', 'file that holds the one-time token')
    .addOption(optionOf(NAME))
    .option(
      '--api-key-file <file>',
      'file to store the key in (default: where all commands find it)',
    )
    .option('--force', 'replace an existing key')
    .option('--json', 'for programs: one object at the end')
    .addHelpText('after', EXAMPLES)
    .action(register)
}

async function register(flags: Flags): Promise<void> {
  const url = String(flags['url'])
  const kept = flags['apiKeyFile']
  const target = typeof kept === 'string' ? path.resolve(kept) : keyFileFor(url)
  const once = keyIn(String(flags['registrationTokenFile']), ' (--registration-token-file)')
  // Checked first: the token can be used once.
  await checkTarget(target, flags['force'] === true)
  const warning = await exposureWarning(url)
  if (warning !== null) process.stderr.write(`${warning}\n`)
  const connection = new Connection({ url, apiKey: once, keyHint: KEY_HINT, retries: 0 })
  try {
    const { token, name } = await new Client(connection).register({ name: String(flags['name']) })
    await replaceFile(target, `${token}\n`)
    const more = typeof kept === 'string' ? ` --api-key-file ${target}` : ''
    await print(
      flags['json'] === true
        ? `${JSON.stringify({ name, url, api_key_file: target })}\n`
        : `Registered as ${name}. The key is in ${target}; start with: morag-agent start --url ${url}${more}\n`,
    )
  } finally {
    await connection.close()
  }
}

/** @throws {AppError} `usage` when the file exists. */
async function checkTarget(target: string, replace: boolean): Promise<void> {
  const folder = path.dirname(target)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await access(folder, constants.W_OK)
  const exists = await access(target).then(
    () => true,
    () => false,
  )
  if (exists && !replace) {
    const message = `${target} already holds a key: use it, or replace it with --force.`
    throw new AppError('usage', message)
  }
}
