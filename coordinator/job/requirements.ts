import { AppError, type Problem } from '../../shared/errors.ts'
import type { Capabilities } from '../../shared/announcement.ts'
import { languageCode } from '../../shared/languages.ts'
import type { Attempt, Job } from './job.ts'

export interface Ability {
  /** Equal for equal announcements; null: a worker that announces nothing, and from which no job is withheld. */
  key: string | null
  /** Null: not announced. */
  can: Capabilities | null
}

/** The ability of a worker of the original protocol. */
export const UNKNOWN_ABILITY: Ability = { key: null, can: null }

/** Which workers may have a job, by `task_options.requires`, its language and its earlier attempts. */
export interface Requirements {
  /** Equal for equal requirements, however written; empty for none. */
  key: string
  /** Only for a worker that has announced all of this. */
  isStrict: boolean
  /** Languages of the recording: withheld from workers that announced languages without one of them. */
  spoken: readonly string[]
  /** Abilities of workers that gave the job back as beyond them. */
  unfit: readonly string[]
  features: readonly string[]
  /** A primary subtag: `de` of `de-AT`. */
  language: string | null
  engine: string | null
  model: string | null
  /** Malformed, in a job that was put into a folder by hand: no worker meets them. */
  broken: boolean
}

/** Prefix of the abilities of the coordinator's own processors. */
export const LOCAL_ABILITY = 'local '

const FEATURES = ['diarize', 'translate', 'words']
const NAMES = ['language', 'engine', 'model']
const MAX_CHARS = 100

export const NO_REQUIREMENTS: Requirements = {
  key: '',
  isStrict: false,
  spoken: [],
  unfit: [],
  features: [],
  language: null,
  engine: null,
  model: null,
  broken: false,
}

/** Content types whose language matters. */
const SPEECH = ['audio', 'video']

/** The requirements of a job; without a content type as for speech. */
export function requirementsOf({
  taskOptions,
  contentType = 'audio',
  attempts = [],
}: Pick<Job, 'taskOptions'> & Partial<Pick<Job, 'contentType' | 'attempts'>>): Requirements {
  const asked = askedOf(taskOptions['requires'] ?? null)
  const spoken = SPEECH.includes(contentType) ? spokenIn(taskOptions) : []
  const unfit = unfitAfter(attempts)
  if (spoken.length === 0 && unfit.length === 0) return asked
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

/** The job's language, or those it may be in; none with a `model`, for which the announced languages do not hold. */
function spokenIn({ language, languages, model }: Record<string, unknown>): string[] {
  if (typeof model === 'string') return []
  const one = typeof language === 'string' ? languageCode(language) : null
  if (one !== null) return [one]
  const listed: unknown[] =
    typeof languages === 'string' ? languages.split(',') : [languages].flat()
  const codes = listed.flatMap((code) =>
    typeof code === 'string' ? (languageCode(code) ?? []) : [],
  )
  return [...new Set(codes)].sort()
}

function unfitAfter(attempts: readonly Attempt[]): string[] {
  const unfit = attempts.flatMap(({ outcome, errorCode, ability }) =>
    outcome === 'released' && errorCode !== null && ability !== null ? [ability] : [],
  )
  return [...new Set(unfit)].sort()
}

/** @throws {AppError} `invalid` with every problem of `requires`. */
export function checkRequirements(taskOptions: Record<string, unknown>): void {
  const given = taskOptions['requires'] ?? null
  const problems = given === null ? [] : problemsOf(given)
  if (problems.length > 0)
    throw new AppError('invalid', problems.map(({ msg }) => msg).join(' '), { problems })
}

export function meets({ key, can }: Ability, requirements: Requirements): boolean {
  if (requirements.key === '') return true
  const { unfit, spoken, isStrict } = requirements
  if (key !== null && unfit.includes(key)) return false
  if (can !== null && !spoken.every((one) => knows(can, one))) return false
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
  if (broken) return 'invalid requirements: see task_options.requires'
  const languages = [...new Set([...(language === null ? [] : [language]), ...spoken])]
  const names = { language: languages.join(' and ') || null, engine, model }
  const named = Object.entries(names).filter(([, value]) => value !== null)
  const others = unfit.every((one) => one.startsWith(LOCAL_ABILITY))
    ? []
    : ['a capability that the workers which gave it back lack']
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

/** A language without its region; an unknown one in lower case. */
function primaryOf(language: string): string {
  return languageCode(language) ?? language.trim().toLowerCase().split(/[-_]/, 1)[0]!
}
