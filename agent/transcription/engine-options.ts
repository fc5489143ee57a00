import { AppError } from '../../shared/errors.ts'
import { languageCode } from '../../shared/languages.ts'
import type { Engine, EngineAbilities, SpeechOptions } from '../engines/engine.ts'
import { modelLabel } from '../engines/model-name.ts'
import { languageCode as languageNamed } from '../engines/whisper/languages.ts'
import type { SpeakerSettings } from '../diarization/label-speakers.ts'
import type { JobOptions } from '../job-options.ts'

/**
 * A job's options as far as this engine supports them, and a warning for each that it does not. `languages`: two or
 * more ISO codes to choose from by detection; null: any, or the one in the options.
 * @param models those that a job may choose from.
 * @throws {AppError} `unsupported_language` when the default model does not know the job's language, and no other is
 * requested.
 */
export function engineOptions(
  options: JobOptions,
  engine: Engine,
  { models, speakers }: { models: readonly string[]; speakers?: Pick<SpeakerSettings, 'command'> },
): { options: SpeechOptions; languages: string[] | null; warnings: string[] } {
  const { info, abilities } = engine
  const warnings: string[] = []
  const supported = (wanted: boolean, can: boolean, lack: string): boolean => {
    if (wanted && !can) warnings.push(`The engine ${info.name} ${lack}.`)
    return wanted && can
  }
  const { model } = options
  const usual = modelLabel(info.model)
  const known = model === null || model === usual || models.includes(model)
  if (!known) {
    const others = models.length === 0 ? 'no other' : models.map(modelLabel).join(', ')
    warnings.push(`This agent has no model '${model}' (but ${others}): ${usual} was used.`)
  }
  const isUsual = !known || model === null || model === usual
  const { language, languages } = languagesOf(options, engine, isUsual)
  supported(
    languages !== null,
    engine.detect !== undefined,
    'cannot choose among languages: it detects any',
  )
  const translate = supported(
    options.task === 'translate',
    abilities.translate,
    'cannot translate: the text is in the language spoken',
  )
  const prompted = supported(options.prompt !== null, abilities.prompt, 'takes no prompt')
  const hot = supported(options.hotwords !== null, abilities.hotwords, 'takes no hotwords')
  const words = supported(
    options.wordTimestamps === true,
    abilities.words,
    'gives no word timestamps',
  )
  return {
    options: {
      language,
      task: translate ? 'translate' : 'transcribe',
      prompt: prompted ? options.prompt : null,
      hotwords: hot ? options.hotwords : null,
      words,
      // A program that is named for it is preferred.
      speakers: hasCommand(speakers) ? null : speakersFor(options, abilities),
      model: known && model !== usual ? model : null,
    },
    languages,
    warnings,
  }
}

function hasCommand(speakers?: Pick<SpeakerSettings, 'command'>): boolean {
  return (speakers?.command ?? null) !== null
}

function speakersFor(
  { minSpeakers, maxSpeakers }: JobOptions,
  abilities: EngineAbilities,
): SpeechOptions['speakers'] {
  return abilities.speakers === false ? null : { min: minSpeakers, max: maxSpeakers }
}

/**
 * The language of a job, or those to choose from: of two or more that the engine knows.
 * @param isUsual whether the engine's languages hold: another model may know others.
 * @throws {AppError} `unsupported_language` when it knows none of the job's.
 */
function languagesOf(
  { language: only, languages }: JobOptions,
  engine: Engine,
  isUsual: boolean,
): { language: string | null; languages: string[] | null } {
  const spoken = [...new Set((only === null ? (languages ?? []) : [only]).map(plain))]
  const fit = isUsual ? spoken.filter((one) => knows(engine, one)) : spoken
  if (fit.length === 0) refuseUnknown(spoken[0] ?? null, engine)
  if (spoken.length < 2) return { language: spoken[0] ?? null, languages: null }
  const choice = fit.map((one) => languageNamed(one) ?? one)
  return { language: null, languages: choice.length > 1 ? choice : null }
}

/** @throws {AppError} `unsupported_language` when the engine's default model does not know a language; null: not known yet. */
export function refuseUnknown(language: string | null, engine: Engine): void {
  if (language === null || knows(engine, language)) return
  const { info, abilities } = engine
  throw new AppError(
    'unsupported_language',
    `The engine ${info.name} (${modelLabel(info.model)}) knows only ${abilities.languages?.join(', ')}, not '${language}'. Whisper does (whisper-cpp, faster-whisper); --engine parakeet knows 25 European languages, and cannot be held to one.`,
  )
}

function knows({ abilities: { languages } }: Engine, language: string): boolean {
  return (
    languages === null ||
    [language, languageNamed(language)].some((one) => languages.includes(one ?? ''))
  )
}

/** Without its region: `de-AT` is `de`. */
function plain(language: string): string {
  return languageCode(language) ?? language
}
