import { AppError, type Problem } from '../../shared/errors.ts'
import type { Capabilities } from '../../shared/announcement.ts'
import { languageCode } from '../../shared/languages.ts'
import type { Attempt, Job } from './job.ts'

/** What is known of a worker's abilities. */
export interface Ability {
  /** The same for workers that have said the same; null: nothing is to be kept from it, as it never says anything. */
  key: string | null
  /** Null: it has not said. */
  can: Capabilities | null
}

/** Of a worker of the original protocol. */
export const UNTOLD: Ability = { key: null, can: null }

/** Who may have a job: what its worker must have said that it can do (`task_options.requires`), and what speaks against one. */
export interface Requirements {
  /** The same for the same requirements, however they were written; empty for none. */
  key: string
  /** Only for a worker that has said that it has all of this. */
  isStrict: boolean
  /** The language of the recording: not for a worker that has said which ones it knows, and not this one. */
  spoken: string | null
  /** Abilities of workers that had the job and could not do it. */
  unfit: readonly string[]
  features: readonly string[]
  /** A primary subtag: `de` of `de-AT`. */
  language: string | null
  engine: string | null
  model: string | null
  /** Not such that they can be understood, in a job that was put into a folder by hand: nobody meets them. */
  broken: boolean
}

/** Abilities of what processes files in the coordinator begin with it. */
export const LOCAL_ABILITY = 'local '

const FEATURES = ['diarize', 'translate', 'words']
const NAMES = ['language', 'engine', 'model']
const MAX_CHARS = 100

export const NO_REQUIREMENTS: Requirements = {
  key: '',
  isStrict: false,
  spoken: null,
  unfit: [],
  features: [],
  language: null,
  engine: null,
  model: null,
  broken: false,
}

/** What somebody speaks in: workers tell of the languages that they understand. */
const SPEECH = ['audio', 'video']

/** Who may have a job, by its options, its content type (default: one of speech) and who has had it. */
export function requirementsOf({
  taskOptions,
  contentType = 'audio',
  attempts = [],
}: Pick<Job, 'taskOptions'> & Partial<Pick<Job, 'contentType' | 'attempts'>>): Requirements {
  const asked = askedOf(taskOptions['requires'] ?? null)
  const spoken = SPEECH.includes(contentType) ? spokenIn(taskOptions) : null
  const unfit = unfitAfter(attempts)
  if (spoken === null && unfit.length === 0) return asked
  return { ...asked, key: JSON.stringify([asked.key, spoken, unfit]), spoken, unfit }
}

function askedOf(given: unknown): Requirements {
  if (given === null) return NO_REQUIREMENTS
  if (problemsOf(given).length > 0)
    return { ...NO_REQUIREMENTS, key: JSON.stringify(given), isStrict: true, broken: true }
  const wanted = given as Record<string, unknown>
  const features = FEATURES.filter((name) => wanted[name] === true)
  const [language, engine, model] = NAMES.map((name) => (wanted[name] ?? null) as string | null)
  const primary = language === null ? null : primaryOf(language!)
  const needs = [features, primary, engine!, model!] as const
  if (features.length === 0 && needs.slice(1).every((one) => one === null)) return NO_REQUIREMENTS
  return {
    ...NO_REQUIREMENTS,
    key: JSON.stringify(needs),
    isStrict: true,
    features,
    language: primary,
    engine: engine!,
    model: model!,
  }
}

/** What a job says of its language. One that names a model chooses another than its worker has told of the languages of. */
function spokenIn({ language, model }: Record<string, unknown>): string | null {
  if (typeof language !== 'string' || typeof model === 'string') return null
  return languageCode(language)
}

function unfitAfter(attempts: readonly Attempt[]): string[] {
  const unfit = attempts.flatMap(({ outcome, errorCode, ability }) =>
    outcome === 'released' && errorCode !== null && ability !== null ? [ability] : [],
  )
  return [...new Set(unfit)].sort()
}

/**
 * Refuses requirements that no worker could ever be compared with.
 * @throws {AppError} `invalid` with every problem.
 */
export function checkRequirements(taskOptions: Record<string, unknown>): void {
  const given = taskOptions['requires'] ?? null
  const problems = given === null ? [] : problemsOf(given)
  if (problems.length > 0)
    throw new AppError('invalid', problems.map(({ msg }) => msg).join(' '), { problems })
}

/** Whether a worker may have a job. */
export function meets({ key, can }: Ability, requirements: Requirements): boolean {
  if (requirements.key === '') return true
  const { unfit, spoken, isStrict } = requirements
  if (key !== null && unfit.includes(key)) return false
  if (spoken !== null && can !== null && !knows(can, spoken)) return false
  return !isStrict || (can !== null && has(can, requirements))
}

function has(can: Capabilities, requirements: Requirements): boolean {
  const { features, language, engine, model, broken } = requirements
  return (
    !broken &&
    features.every((one) => can.features.includes(one)) &&
    (language === null || knows(can, language)) &&
    (engine === null || can.engines.includes(engine)) &&
    (model === null || can.models.includes(model))
  )
}

function knows({ languages }: Capabilities, language: string): boolean {
  return languages === null || languages.some((one) => primaryOf(one) === language)
}

/** The requirements in words: `diarize, language de`. */
export function inWords(requirements: Requirements): string {
  const { features, language, engine, model, spoken, unfit, broken } = requirements
  if (broken) return 'something that cannot be understood: see task_options.requires'
  const names = { language: language ?? spoken, engine, model }
  const named = Object.entries(names).filter(([, value]) => value !== null)
  const others = unfit.every((one) => one.startsWith(LOCAL_ABILITY))
    ? []
    : ['what those lack that have given it back']
  return [...features, ...named.map(([name, value]) => `${name} ${value}`), ...others].join(', ')
}

function problemsOf(given: unknown): Problem[] {
  const loc = ['body', 'task_options', 'requires']
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    return [
      { loc, msg: 'requires must be an object, like {"diarize": true}.', type: 'value_error' },
    ]
  }
  return Object.entries(given).flatMap(([name, value]): Problem[] => {
    const at = { loc: [...loc, name.slice(0, MAX_CHARS)], type: 'value_error' }
    if (value === null && [...FEATURES, ...NAMES].includes(name)) return []
    if (FEATURES.includes(name)) {
      return typeof value === 'boolean'
        ? []
        : [{ ...at, msg: `requires.${name} must be a boolean.` }]
    }
    if (!NAMES.includes(name)) {
      const known = [...FEATURES, ...NAMES].join(', ')
      const msg = `requires.${name.slice(0, MAX_CHARS)} is unknown: use one of ${known}.`
      return [{ ...at, msg }]
    }
    const fits = typeof value === 'string' && value.trim() !== '' && value.length <= MAX_CHARS
    return fits
      ? []
      : [{ ...at, msg: `requires.${name} must be a text of 1 to ${MAX_CHARS} characters.` }]
  })
}

/** A language without its region; a text that names none stays one that can be compared. */
function primaryOf(language: string): string {
  return languageCode(language) ?? language.trim().toLowerCase().split(/[-_]/, 1)[0]!
}
