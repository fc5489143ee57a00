import { AppError } from '../../shared/errors.ts'
import { languageCode } from '../../shared/languages.ts'
import { command } from './command/definition.ts'
import type { EngineDefinition, EngineSettings, Probe } from './definition.ts'
import type { Engine } from './engine.ts'
import { fasterWhisper } from './python/faster-whisper.ts'
import { moonshine } from './moonshine/engine.ts'
import { openaiApi } from './openai-api/definition.ts'
import { openaiWhisper } from './python/openai-whisper.ts'
import { transcribeCpp } from './transcribe-cpp/definition.ts'
import { whisperCpp } from './whisper-cpp/definition.ts'
import { whisperx } from './python/whisperx.ts'

/** In order of preference on a GPU. */
const ENGINES: readonly EngineDefinition[] = [
  openaiApi,
  command,
  fasterWhisper,
  whisperCpp,
  whisperx,
  openaiWhisper,
  transcribeCpp,
  moonshine,
]

export const ENGINE_NAMES = ['auto', ...ENGINES.map(({ name }) => name)]

export interface Choice {
  engine: Engine
  /** The models that jobs may choose. */
  models: readonly string[]
  /** Why it was chosen, as a sentence. */
  why: string
  /** What would be better here, as a sentence, or null. */
  better: string | null
}

/**
 * Creates an engine. Models are fetched and processes started later, by `prepare` or the first `transcribe`.
 * @param language for `auto`: what is spoken; null: any language.
 * @throws {AppError} `usage` for an unknown name; `engine_missing` or `model_missing` when it cannot be used here.
 */
export async function chooseEngine(
  name: string,
  settings: EngineSettings,
  signal: AbortSignal,
  { language = null }: { language?: string | null } = {},
): Promise<Choice> {
  if (name === 'auto') return await best(settings, signal, languageCode(language))
  const definition = ENGINES.find((one) => one.name === name)
  if (definition === undefined) {
    throw new AppError(
      'usage',
      `There is no engine '${name}'. The engines are: ${ENGINE_NAMES.join(', ')}.`,
    )
  }
  const probe = await definition.probe(settings, signal)
  const engine = definition.create(settings, probe)
  return { engine, models: probe.models, why: 'It was requested.', better: null }
}

/** The first engine that is usable and knows the language, else the first usable one. */
async function best(
  settings: EngineSettings,
  signal: AbortSignal,
  language: string | null,
): Promise<Choice> {
  const onCpu = settings.device.kind === 'cpu'
  const missing: string[] = []
  let fallback: { definition: EngineDefinition; choice: Choice } | null = null
  for (const definition of inOrder(settings, language)) {
    const probe = await definition.probe(settings, signal)
    if (!probe.usable) {
      missing.push(`${definition.name}: ${probe.why}`)
      continue
    }
    const engine = definition.create(settings, probe)
    const better = withoutGpu(probe, settings)
    const choice = { engine, models: probe.models, why: probe.why, better }
    if (isWorthIt(definition, probe, onCpu) && knows(engine, language)) return choice
    missing.push(...(better === null ? [] : [better]))
    if (fallback === null || definition === moonshine) fallback = { definition, choice }
  }
  if (fallback === null) {
    throw new AppError('engine_missing', `No engine can be used here. ${missing.join(' ')}`)
  }
  const { definition, choice } = fallback
  if (definition !== moonshine) return choice
  const better = onCpu
    ? 'For languages other than English, install whisper.cpp or whisper-ctranslate2 and a multilingual model (morag-agent models list).'
    : `No engine that uses the GPU (${settings.device.name}) is ready: ${missing.join(' ')}`
  return { ...choice, better }
}

/** Whisper on a CPU is worth its time, but not an unrequested download of gigabytes. */
function isWorthIt(
  definition: EngineDefinition,
  { lacksGpu, models }: Probe,
  onCpu: boolean,
): boolean {
  const isReady = definition === openaiApi || definition === command || definition === moonshine
  return isReady || (!onCpu && lacksGpu !== true) || models.length > 0
}

function withoutGpu({ lacksGpu, why }: Probe, { device }: EngineSettings): string | null {
  return lacksGpu === true ? `The GPU (${device.name}) is not used: ${why}` : null
}

/** @param language null: any. */
function knows({ abilities: { languages } }: Engine, language: string | null): boolean {
  return languages === null || (language !== null && languages.includes(language))
}

/**
 * The engines that need an address or a command come first when they have one. Without a GPU, English goes to the
 * bundled engine first: Whisper is several times slower there.
 */
function inOrder(
  { url, command: argv, device }: EngineSettings,
  language: string | null,
): EngineDefinition[] {
  const configured = ENGINES.filter(
    (one) =>
      (one === openaiApi && url !== null) || (one === command && url === null && argv !== null),
  )
  const found = ENGINES.filter((one) => one !== openaiApi && one !== command)
  const isEnglish = language === 'en' && device.kind === 'cpu'
  const ordered = isEnglish ? [moonshine, ...found.filter((one) => one !== moonshine)] : found
  return [...configured, ...ordered]
}

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
