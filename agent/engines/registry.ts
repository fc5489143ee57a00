import { AppError } from '../../shared/errors.ts'
import { languageCode } from '../../shared/languages.ts'
import { command } from './command/definition.ts'
import type { EngineDefinition, EngineSettings, Probe } from './definition.ts'
import type { Engine } from './engine.ts'
import { fasterWhisper } from './python/faster-whisper.ts'
import { moonshine } from './moonshine/engine.ts'
import { openaiApi } from './openai-api/definition.ts'
import { openaiWhisper } from './python/openai-whisper.ts'
import { whisperCpp } from './whisper-cpp/definition.ts'
import { whisperx } from './python/whisperx.ts'

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

/** `auto` is the best engine that is usable on this machine and knows the language. */
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
 * @param language what will be spoken, for `auto`; default: nobody knows.
 * @throws {AppError} `usage` when there is none of that name; `engine_missing` or `model_missing` when it cannot be used
 * here, saying what is missing.
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
  return { engine, models: probe.models, why: 'It was asked for.', better: null }
}

/**
 * The first that is usable and knows the language, else the first that is usable; and of those before it the reason why
 * they are not.
 */
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
    const choice = { engine, models: probe.models, why: probe.why, better: null }
    const isShown = definition === openaiApi || definition === command
    // Whisper on a processor is worth its time, but not a download of gigabytes that nobody asked for.
    const isHere = isShown || !onCpu || definition === moonshine || probe.models.length > 0
    if (isHere && knows(engine, language)) return choice
    if (fallback === null || definition === moonshine) fallback = { definition, choice }
  }
  if (fallback === null) {
    throw new AppError('engine_missing', `No engine can be used here. ${missing.join(' ')}`)
  }
  const { definition, choice } = fallback
  if (definition !== moonshine) return choice
  const better = onCpu
    ? 'For other languages than English, install whisper.cpp or whisper-ctranslate2 and a model of many languages (morag-agent models list).'
    : `A GPU is here (${settings.device.name}) and nothing that uses it: ${missing.join(' ')}`
  return { ...choice, better }
}

/** Whether an engine understands a language; null: any that may be spoken. */
function knows({ abilities: { languages } }: Engine, language: string | null): boolean {
  return languages === null || (language !== null && languages.includes(language))
}

/**
 * Without a GPU the embedded engine goes before Whisper for English, which is several times slower there; it knows no
 * other language. What has to be told something (an address, a command) comes first when it was told.
 */
function inOrder(
  { url, command: argv, device }: EngineSettings,
  language: string | null,
): EngineDefinition[] {
  const told = ENGINES.filter(
    (one) =>
      (one === openaiApi && url !== null) || (one === command && url === null && argv !== null),
  )
  const found = ENGINES.filter((one) => one !== openaiApi && one !== command)
  const isEnglish = language === 'en' && device.kind === 'cpu'
  const ordered = isEnglish ? [moonshine, ...found.filter((one) => one !== moonshine)] : found
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
