import { addSettings, optionOf } from '../../shared/setting-table.ts'
import { MODELS_DIR, MODEL_SOURCE } from '../settings/conversion-table.ts'
import type { Command } from 'commander'
import { AppError } from '../../shared/errors.ts'
import { wantsPlainOutput, type Flags } from '../settings/start-settings.ts'
import { interruptible } from '../interrupt.ts'
import { modelsDirOf } from '../settings/media-settings.ts'
import { FIRST, MODELS } from '../models/catalogue.ts'
import { modelSource } from '../models/config.ts'
import { pullModel } from '../models/models.ts'
import { PullProgress } from '../models/pull-progress.ts'
import { listModels, removeModel, verifyModel, type ModelStatus } from '../models/status.ts'
import { sizeText } from '../models/transfer-text.ts'
import { print } from '../output.ts'
import { createReporter } from '../progress/reporter.ts'

const EXAMPLES = `
Examples:
  morag-agent models list --all            also every model that can be had
  morag-agent models pull                  ffmpeg, and everything that the embedded engine needs
  morag-agent models pull ffmpeg           ffmpeg and ffprobe alone
  morag-agent models pull ggml/large-v3-turbo ggml/silero-v6.2.0
  morag-agent models verify --json
`

export function addModels(cli: Command): void {
  const models = cli
    .command('models')
    .description('look at, get, check and remove speech models and ffmpeg')
  models.addHelpText('after', EXAMPLES)
  models
    .command('list')
    .description('the models that are here, then those that can be had')
    .addOption(optionOf(MODELS_DIR.modelsDir))
    .option('--all', 'not only the usual ones')
    .option('--json', 'for programs')
    .addHelpText('after', EXAMPLES)
    .action(list)
  addSettings(models.command('pull'), MODEL_SOURCE)
    .description('get models; a cut download goes on where it stopped')
    .argument('[names...]', 'which ones')
    .addOption(optionOf(MODELS_DIR.modelsDir))
    .addHelpText('after', EXAMPLES)
    .action(pull)
  models
    .command('verify')
    .description("compare every file with its digest; exit code 1 when one isn't right")
    .argument('[names...]', 'which ones (default: all that are here)')
    .addOption(optionOf(MODELS_DIR.modelsDir))
    .option('--json', 'for programs')
    .addHelpText('after', EXAMPLES)
    .action(verify)
  models
    .command('remove')
    .description('remove models, and what is left of cut downloads')
    .argument('<names...>', 'which ones')
    .addOption(optionOf(MODELS_DIR.modelsDir))
    .addHelpText('after', EXAMPLES)
    .action(remove)
}

async function list(flags: Flags): Promise<void> {
  const models = await listModels(modelsDirOf(flags))
  const isWanted = ({ name, state }: ModelStatus): boolean =>
    state !== 'missing' || flags['all'] === true || isSuggested(name)
  const shown = models.filter(isWanted)
  if (flags['json'] === true) return await print(`${JSON.stringify({ models: shown }, null, 2)}\n`)
  const here = shown.filter(({ state }) => state !== 'missing')
  const others = shown.filter(({ state }) => state === 'missing')
  const rest = models.length - shown.length
  await print(
    [
      here.length === 0 ? 'No models are here.\n' : 'Here:\n',
      ...here.map(line),
      others.length === 0 ? '' : '\nTo be had with morag-agent models pull NAME:\n',
      ...others.map(line),
      rest === 0 ? '' : `  … and ${rest} more: morag-agent models list --all\n`,
    ].join(''),
  )
}

function line({ name, state, bytes, problem, description }: ModelStatus): string {
  const text = state === 'damaged' ? `${problem}` : description
  return `  ${name.padEnd(32)} ${sizeText(bytes).padStart(8)}  ${text}\n`
}

function isSuggested(name: string): boolean {
  return MODELS.find((model) => model.name === name)?.suggested ?? false
}

async function pull(names: string[], flags: Flags): Promise<void> {
  const reporter = createReporter({
    level: 'info',
    format: 'text',
    stream: process.stderr,
    plain: wantsPlainOutput(),
    times: false,
  })
  const signal = interruptible()
  const dir = modelsDirOf(flags)
  const source = modelSource(flags)
  try {
    for (const name of names.length === 0 ? FIRST.map((one) => one.name) : names) {
      reporter.idle(`${name}: looking`)
      const { state } = await verifyModel(name, { dir })
      if (state === 'ready') {
        reporter.event('info', `${name} is here already`)
        continue
      }
      const progress = new PullProgress(name, reporter)
      await pullModel(name, {
        dir,
        signal,
        source,
        onProgress: (text) => reporter.event('info', text),
        onBytes: (file, received, total) => progress.update(file, received, total),
      })
    }
  } finally {
    reporter.close()
  }
}

async function verify(names: string[], flags: Flags): Promise<void> {
  const dir = modelsDirOf(flags)
  const wanted = names.length === 0 ? await namesHere(dir) : names
  const models: ModelStatus[] = []
  for (const name of wanted) models.push(await verifyModel(name, { dir }))
  const bad = models.filter(({ state }) => state !== 'ready').map(({ name }) => name)
  await print(
    flags['json'] === true
      ? `${JSON.stringify({ ok: bad.length === 0, models }, null, 2)}\n`
      : models.map(verdict).join(''),
  )
  if (bad.length > 0) {
    throw new AppError(
      'model_missing',
      `Not ready: ${bad.join(', ')}. Get them with: morag-agent models pull ${bad.join(' ')}`,
    )
  }
}

async function namesHere(dir: string): Promise<string[]> {
  const models = await listModels(dir)
  const here = models.filter(({ state }) => state !== 'missing').map(({ name }) => name)
  if (here.length > 0) return here
  throw new AppError('model_missing', `No models are in '${dir}'.`)
}

function verdict({ name, state, problem, checked }: ModelStatus): string {
  const unknown = 'there, but not pulled by us: there is no digest to compare it with'
  return `${name}: ${problem ?? (checked ? state : unknown)}\n`
}

async function remove(names: string[], flags: Flags): Promise<void> {
  const dir = modelsDirOf(flags)
  for (const name of names) {
    await removeModel(name, { dir })
    await print(`${name}: removed\n`)
  }
}
