import { addSettings, optionOf } from '../../shared/settings.ts'
import { MODELS_DIR, MODEL_SOURCE } from '../settings/conversion-table.ts'
import type { Command } from 'commander'
import { AppError } from '../../shared/errors.ts'
import { wantsPlainOutput, type Flags } from '../settings/config.ts'
import { interruptible } from '../signals.ts'
import { mediaSettings, modelsDirOf } from '../settings/media-settings.ts'
import { totalmem } from 'node:os'
import type { EngineSettings } from '../engines/definition.ts'
import { probeEngines } from '../engines/registry.ts'
import { findDevices } from '../gpu/find-devices.ts'
import { FIRST, MODELS } from '../models/catalogue.ts'
import { modelSource } from '../models/config.ts'
import { pullModel } from '../models/models.ts'
import { hostText, recommendedModel, recommendedText, type Host } from '../models/recommended.ts'
import type { Reporter } from '../progress/reporter-kinds.ts'
import { PullProgress } from '../models/pull-progress.ts'
import { SPEAKER_MODELS } from '../models/sherpa-models.ts'
import { listModels, removeModel, verifyModel, type ModelStatus } from '../models/status.ts'
import { sizeText } from '../models/transfer-text.ts'
import { print, printJson } from '../output.ts'
import { commandReporter } from '../progress/reporter.ts'

const EXAMPLES = `
Examples:
  morag-agent models list --all            list all models, also those that are not installed
  morag-agent models pull                  get ffmpeg and the models of the bundled engine
  morag-agent models pull recommended      get a multilingual model for this machine
  morag-agent models pull speakers         get the two models that tell speakers apart
  morag-agent models pull ffmpeg           get ffmpeg and ffprobe
  morag-agent models pull ggml/large-v3-turbo ggml/silero-v6.2.0
  morag-agent models verify --json
`

export function addModels(cli: Command): void {
  const models = cli
    .command('models')
    .description('list, get, check and remove speech models and ffmpeg')
  models.addHelpText('after', EXAMPLES)
  models
    .command('list')
    .description('list installed models, then those that can be pulled')
    .addOption(optionOf(MODELS_DIR.modelsDir))
    .option('--all', 'not only the recommended ones')
    .option('--json', 'for programs')
    .addHelpText('after', EXAMPLES)
    .action(list)
  addSettings(models.command('pull'), MODEL_SOURCE)
    .description('get models; an interrupted download is resumed')
    .argument(
      '[names...]',
      'which ones, recommended (a multilingual one for this machine), or speakers',
    )
    .addOption(optionOf(MODELS_DIR.modelsDir))
    .addHelpText('after', EXAMPLES)
    .action(pull)
  models
    .command('verify')
    .description('compare every file with its digest; exit code 1 for a mismatch')
    .argument('[names...]', 'which ones (default: all installed)')
    .addOption(optionOf(MODELS_DIR.modelsDir))
    .option('--json', 'for programs')
    .addHelpText('after', EXAMPLES)
    .action(verify)
  models
    .command('remove')
    .description('remove models and incomplete downloads')
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
  if (flags['json'] === true) return await printJson({ models: shown })
  const here = shown.filter(({ state }) => state !== 'missing')
  const others = shown.filter(({ state }) => state === 'missing')
  const rest = models.length - shown.length
  await print(
    [
      here.length === 0 ? 'No models are installed.\n' : 'Installed:\n',
      ...here.map(line),
      others.length === 0 ? '' : '\nAvailable with morag-agent models pull NAME:\n',
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
  const reporter = await commandReporter({ plain: wantsPlainOutput() })
  const signal = interruptible()
  const dir = modelsDirOf(flags)
  const source = modelSource(flags)
  try {
    for (const name of await modelsToPull(names, flags, signal, reporter)) {
      reporter.idle(`${name}: checking`)
      const { state } = await verifyModel(name, { dir })
      if (state === 'ready') {
        reporter.event('info', `${name} is already installed`)
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

async function modelsToPull(
  names: readonly string[],
  flags: Flags,
  signal: AbortSignal,
  reporter: Pick<Reporter, 'event'>,
): Promise<string[]> {
  if (names.length === 0) return FIRST.map(({ name }) => name)
  const all = names.map(async (name) => {
    if (name === 'recommended') return await recommended(flags, signal, reporter)
    return name === 'speakers' ? Object.values(SPEAKER_MODELS) : name
  })
  return (await Promise.all(all)).flat()
}

/** @throws {AppError} `model_missing` where no model is recommended. */
async function recommended(
  flags: Flags,
  signal: AbortSignal,
  reporter: Pick<Reporter, 'event'>,
): Promise<string> {
  const host = await hostOf(mediaSettings(flags).engineSettings, signal)
  const name = recommendedModel(host)
  if (name === null) {
    throw new AppError(
      'model_missing',
      `No multilingual model is recommended here (${hostText(host)}): the bundled engine knows English. Others: morag-agent models list`,
    )
  }
  reporter.event('info', `Recommended here (${hostText(host)}): ${name}, ${recommendedText(name)}`)
  return name
}

async function hostOf(
  settings: Omit<EngineSettings, 'device'>,
  signal: AbortSignal,
): Promise<Host> {
  const { devices } = await findDevices({ signal })
  const largest = devices.toSorted((a, b) => (b.memoryMb ?? 0) - (a.memoryMb ?? 0))[0] ?? null
  const device = largest ?? ({ kind: 'cpu', name: 'cpu' } as const)
  const found = await probeEngines({ ...settings, device }, signal)
  const engines = found
    .filter(({ program, lacksGpu }) => program !== null && lacksGpu !== true)
    .map(({ name }) => name)
  return { gpu: largest, memoryMb: totalmem() / 1024 ** 2, engines }
}

async function verify(names: string[], flags: Flags): Promise<void> {
  const dir = modelsDirOf(flags)
  const wanted = names.length === 0 ? await namesHere(dir) : names
  const models: ModelStatus[] = []
  for (const name of wanted) models.push(await verifyModel(name, { dir }))
  const bad = models.filter(({ state }) => state !== 'ready').map(({ name }) => name)
  if (flags['json'] === true) await printJson({ ok: bad.length === 0, models })
  else await print(models.map(verdict).join(''))
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
  throw new AppError('model_missing', `No models are installed in '${dir}'.`)
}

function verdict({ name, state, problem, checked }: ModelStatus): string {
  const unknown = 'installed, but not by models pull: there is no digest to compare it with'
  return `${name}: ${problem ?? (checked ? state : unknown)}\n`
}

async function remove(names: string[], flags: Flags): Promise<void> {
  const dir = modelsDirOf(flags)
  for (const name of names) {
    await removeModel(name, { dir })
    await print(`${name}: removed\n`)
  }
}
