import type { Command } from 'commander'
import { AppError } from '../../shared/errors.ts'
import { modelsDirOf, modelsFolder, wantsPlainOutput, type Flags } from '../config.ts'
import { interruptible } from '../interrupt.ts'
import { listModels, MODELS, pullModel, verifyModel } from '../models.ts'
import { print } from '../output.ts'
import { createReporter } from '../reporter.ts'

const EXAMPLES = `
Examples:
  morag-agent models list
  morag-agent models pull                  everything that the embedded engine needs
  morag-agent models pull moonshine-tiny
  morag-agent models verify --json
`

export function addModels(cli: Command): void {
  const models = cli.command('models').description('look at, get and check speech models')
  models.addHelpText('after', EXAMPLES)
  models
    .command('list')
    .description('which models there are, and whether they are here')
    .addOption(modelsFolder())
    .option('--json', 'for programs')
    .addHelpText('after', EXAMPLES)
    .action(list)
  models
    .command('pull')
    .description('get a model, or all')
    .argument('[name]', 'which one')
    .addOption(modelsFolder())
    .addHelpText('after', EXAMPLES)
    .action(pull)
  models
    .command('verify')
    .description("compare every file with its digest; exit code 1 when one isn't right")
    .addOption(modelsFolder())
    .option('--json', 'for programs')
    .addHelpText('after', EXAMPLES)
    .action(verify)
}

async function list(flags: Flags): Promise<void> {
  const models = await listModels(modelsDirOf(flags))
  if (flags['json'] === true) return await print(`${JSON.stringify({ models }, null, 2)}\n`)
  const lines = models.map(
    ({ name, state, bytes, description }) =>
      `${name.padEnd(16)} ${state.padEnd(8)} ${megabytes(bytes).padStart(7)}  ${description}\n`,
  )
  await print(lines.join(''))
}

async function pull(name: string | undefined, flags: Flags): Promise<void> {
  const reporter = createReporter({
    level: 'info',
    format: 'text',
    stream: process.stderr,
    plain: wantsPlainOutput(),
    times: false,
  })
  const signal = interruptible()
  const dir = modelsDirOf(flags)
  try {
    for (const model of name === undefined ? MODELS.map((one) => one.name) : [name]) {
      reporter.idle(`${model}: looking`)
      const before = await verifyModel(model, { dir })
      if (before.state === 'ready') reporter.event('info', `The model ${model} is here already`)
      else
        await pullModel(model, { dir, signal, onProgress: (text) => reporter.event('info', text) })
    }
  } finally {
    reporter.close()
  }
}

async function verify(flags: Flags): Promise<void> {
  const dir = modelsDirOf(flags)
  const models = []
  for (const { name } of MODELS) models.push(await verifyModel(name, { dir }))
  const json = flags['json'] === true
  await print(
    json
      ? `${JSON.stringify({ ok: models.every(({ state }) => state === 'ready'), models }, null, 2)}\n`
      : models.map(({ name, state, problem }) => `${name}: ${problem ?? state}\n`).join(''),
  )
  const bad = models.filter(({ state }) => state !== 'ready').map(({ name }) => name)
  if (bad.length > 0) {
    throw new AppError(
      'model_missing',
      `Not ready: ${bad.join(', ')}. Get them with: morag-agent models pull`,
    )
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}
