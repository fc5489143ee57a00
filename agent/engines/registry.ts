import { totalmem } from 'node:os'
import { AppError } from '../../shared/errors.ts'
import { languageCode } from '../../shared/languages.ts'
import { command } from './command/definition.ts'
import type { EngineDefinition, EngineSettings, Probe } from './definition.ts'
import type { Engine } from './engine.ts'
import { fasterWhisper } from './python/faster-whisper.ts'
import { moonshine } from './moonshine/definition.ts'
import { openaiApi } from './openai-api/definition.ts'
import { openaiWhisper } from './python/openai-whisper.ts'
import { parakeet } from './parakeet/definition.ts'
import { transcribeCpp } from './transcribe-cpp/definition.ts'
import { whisperCpp } from './whisper-cpp/definition.ts'
import { whisperx } from './python/whisperx.ts'
import { offerFor } from '../models/recommended.ts'

/** In order of preference on a GPU. */
const ENGINES: readonly EngineDefinition[] = [
  openaiApi,
  command,
  fasterWhisper,
  whisperCpp,
  whisperx,
  openaiWhisper,
  transcribeCpp,
  parakeet,
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
  /** What it is announced for, ISO 639-1; null: any. */
  languages: readonly string[] | null
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
  const { languages } = engine.abilities
  return { engine, models: probe.models, why: 'It was requested.', better: null, languages }
}

/** The first engine that is usable and knows the language, else the first usable one. */
async function best(
  settings: EngineSettings,
  signal: AbortSignal,
  language: string | null,
): Promise<Choice> {
  const onCpu = settings.device.kind === 'cpu'
  const tried: Tried[] = []
  let fallback: { definition: EngineDefinition; choice: Choice } | null = null
  for (const definition of inOrder(settings, language)) {
    const probe = await definition.probe(settings, signal)
    tried.push({ name: definition.name, probe })
    if (!probe.usable) continue
    const engine = definition.create(settings, probe)
    const better = betterThan(definition, probe, settings)
    const languages = definition === parakeet ? ['en'] : engine.abilities.languages
    const choice = { engine, models: probe.models, why: probe.why, better, languages }
    const suits = definition === parakeet || knows(engine, language)
    if (isWorthIt(definition, probe, onCpu) && suits) return choice
    if (fallback === null || definition === moonshine) fallback = { definition, choice }
  }
  if (fallback === null) {
    throw new AppError('engine_missing', `No engine can be used here. ${lacksOf(tried)}`)
  }
  const { definition, choice } = fallback
  return definition === moonshine
    ? { ...choice, better: betterThanMoonshine(settings, tried) }
    : choice
}

interface Tried {
  name: string
  probe: Probe
}

/** What the engines lack that cannot be used here, or not on the GPU. */
function lacksOf(tried: readonly Tried[]): string {
  const lacking = tried.filter(({ probe }) => !probe.usable || probe.lacksGpu === true)
  return lacking.map(({ name, probe }) => `${name}: ${probe.why}`).join(' ')
}

function betterThanMoonshine({ device }: EngineSettings, tried: readonly Tried[]): string | null {
  if (device.kind !== 'cpu') {
    return `No engine that uses the GPU (${device.name}) is ready: ${lacksOf(tried)}`
  }
  const engines = tried.filter(({ probe }) => probe.program !== null).map(({ name }) => name)
  return offerFor({ gpu: null, memoryMb: totalmem() / 1024 ** 2, engines })
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

function betterThan(
  definition: EngineDefinition,
  { lacksGpu, why }: Probe,
  { device }: EngineSettings,
): string | null {
  if (lacksGpu === true) return `The GPU (${device.name}) is not used: ${why}`
  if (definition !== transcribeCpp || device.kind === 'cpu') return null
  return `No other engine for the GPU is here: ${why} For the times of words with Whisper, install faster-whisper (pipx install whisper-ctranslate2).`
}

/** @param language null: any. */
function knows({ abilities: { languages } }: Engine, language: string | null): boolean {
  return languages === null || (language !== null && languages.includes(language))
}

/**
 * The engines that need an address or a command come first when they have one. Without a GPU, English goes to the
 * embedded engines first: Whisper is several times slower there.
 */
function inOrder(
  { url, command: argv, device }: EngineSettings,
  language: string | null,
): EngineDefinition[] {
  const configured = ENGINES.filter(
    (one) =>
      (one === openaiApi && url !== null) || (one === command && url === null && argv !== null),
  )
  // Parakeet cannot be held to a language: it is never chosen for one that is known, but English.
  const isSure = language === null || language === 'en'
  const found = ENGINES.filter(
    (one) => one !== openaiApi && one !== command && (one !== parakeet || isSure),
  )
  const isEnglish = language === 'en' && device.kind === 'cpu'
  const embedded = [parakeet, moonshine]
  const ordered = isEnglish
    ? [...embedded, ...found.filter((one) => !embedded.includes(one))]
    : found
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
