import { AppError } from '../../shared/errors.ts'
import { languageCode } from '../../shared/languages.ts'
import type { Engine, EngineAbilities, SpeechOptions } from '../engines/engine.ts'
import { modelLabel } from '../engines/model-name.ts'
import { languageCode as languageNamed } from '../engines/whisper/languages.ts'
import type { SpeakerSettings } from '../diarization/label-speakers.ts'
import type { JobOptions } from '../job-options.ts'

/**
 * A job's options as far as this engine supports them, and a warning for each that it does not.
 * @param models those that a job may choose from.
 * @throws {AppError} `unsupported_language` when the default model does not know the job's language, and no other is
 * requested.
 */
export function engineOptions(
  options: JobOptions,
  engine: Engine,
  { models, speakers }: { models: readonly string[]; speakers?: Pick<SpeakerSettings, 'command'> },
): { options: SpeechOptions; warnings: string[] } {
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
  const language = options.language === null ? null : plain(options.language)
  if (!known || model === null || model === usual) refuseUnknown(language, engine)
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

/** @throws {AppError} `unsupported_language` when the engine's default model does not know a language; null: not known yet. */
export function refuseUnknown(
  language: string | null,
  { info, abilities: { languages } }: Engine,
): void {
  if (language === null || languages === null || languages.includes(language)) return
  if (languages.includes(languageNamed(language) ?? '')) return
  const { name, model } = info
  throw new AppError(
    'unsupported_language',
    `The engine ${name} (${modelLabel(model)}) knows only ${languages.join(', ')}, not '${language}'. Whisper does (whisper-cpp, faster-whisper); --engine parakeet knows 25 European languages, and cannot be held to one.`,
  )
}

/** Without its region: `de-AT` is `de`. */
function plain(language: string): string {
  return languageCode(language) ?? language
}
