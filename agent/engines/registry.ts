import { AppError } from '../../shared/errors.ts'
import { command } from './command.ts'
import type { EngineDefinition, EngineSettings, Probe } from './definition.ts'
import type { Engine } from './engine.ts'
import { fasterWhisper } from './faster-whisper.ts'
import { moonshine } from './moonshine.ts'
import { openaiApi } from './openai-api.ts'
import { openaiWhisper } from './openai-whisper.ts'
import { whisperCpp } from './whisper-cpp.ts'
import { whisperx } from './whisperx.ts'

/** Every engine; the best on a GPU first, by speed and by what each needs. */
const ENGINES: readonly EngineDefinition[] = [
  openaiApi,
  command,
  fasterWhisper,
  whisperCpp,
  whisperx,
  openaiWhisper,
  moonshine,
]

/** `auto` is the best engine that is usable on this machine. */
export const ENGINE_NAMES = ['auto', ...ENGINES.map(({ name }) => name)]

/** The engine that was chosen, and why. */
export interface Choice {
  engine: Engine
  /** What a job may choose from. */
  models: readonly string[]
  /** Why it is this one, as a sentence. */
  why: string
  /** What would be better here, as a sentence; null when nothing would. */
  better: string | null
}

/**
 * The engine of that name. Nothing heavy happens yet: models are fetched and processes started by `prepare`, or by the
 * first `transcribe`.
 * @throws {AppError} `usage` when there is none of that name; `engine_missing` or `model_missing` when it cannot be used
 * here, saying what is missing.
 */
export async function chooseEngine(
  name: string,
  settings: EngineSettings,
  signal: AbortSignal,
): Promise<Choice> {
  if (name === 'auto') return await best(settings, signal)
  const definition = ENGINES.find((one) => one.name === name)
  if (definition === undefined) {
    throw new AppError(
      'usage',
      `There is no engine '${name}'. The engines are: ${ENGINE_NAMES.join(', ')}.`,
    )
  }
  const probe = await definition.probe(settings, signal)
  const engine = definition.create(settings, probe)
  return { engine, models: probe.models, why: 'It was asked for.', better: null }
}

/** The first that is usable, and of those before it the reason why they are not. */
async function best(settings: EngineSettings, signal: AbortSignal): Promise<Choice> {
  const onCpu = settings.device.kind === 'cpu'
  const missing: string[] = []
  for (const definition of inOrder(settings)) {
    const probe = await definition.probe(settings, signal)
    if (!probe.usable) {
      missing.push(`${definition.name}: ${probe.why}`)
      continue
    }
    const fallback = definition.name === moonshine.name
    const better =
      fallback && !onCpu
        ? `A GPU is here (${settings.device.name}) and nothing that uses it: ${missing.join(' ')}`
        : fallback
          ? 'For other languages than English, install whisper.cpp or whisper-ctranslate2 and choose it with --engine.'
          : null
    const engine = definition.create(settings, probe)
    return { engine, models: probe.models, why: probe.why, better }
  }
  throw new AppError('engine_missing', `No engine can be used here. ${missing.join(' ')}`)
}

/**
 * Without a GPU the embedded engine goes before Whisper, which is several times slower there; whoever wants it names it.
 * What has to be told something (an address, a command) comes first when it was told.
 */
function inOrder({ url, command: argv, device }: EngineSettings): EngineDefinition[] {
  const told = ENGINES.filter(
    (one) =>
      (one === openaiApi && url !== null) || (one === command && url === null && argv !== null),
  )
  const found = ENGINES.filter((one) => one !== openaiApi && one !== command)
  const ordered =
    device.kind === 'cpu' ? [moonshine, ...found.filter((one) => one !== moonshine)] : found
  return [...told, ...ordered]
}

/** All engines with what was found of each, for whoever wonders. */
export async function probeEngines(
  settings: EngineSettings,
  signal: AbortSignal,
): Promise<(Probe & { name: string; description: string })[]> {
  return await Promise.all(
    ENGINES.map(async (engine) => ({
      name: engine.name,
      description: engine.description,
      ...(await engine.probe(settings, signal)),
    })),
  )
}
