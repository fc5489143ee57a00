import { AppError, type Problem } from '../../shared/errors.ts'
import type { Capabilities } from '../../shared/announcement.ts'

/** What a worker must have said that it can do: `task_options.requires` of a job. */
export interface Requirements {
  /** The same for the same requirements, however they were written; empty for none. */
  key: string
  features: readonly string[]
  /** A primary subtag: `de` of `de-AT`. */
  language: string | null
  engine: string | null
  model: string | null
  /** Not such that they can be understood, in a job that was put into a folder by hand: nobody meets them. */
  broken: boolean
}

const FEATURES = ['diarize', 'translate', 'words']
const NAMES = ['language', 'engine', 'model']
const MAX_CHARS = 100

export const NO_REQUIREMENTS: Requirements = {
  key: '',
  features: [],
  language: null,
  engine: null,
  model: null,
  broken: false,
}

/** What a job's options require; to be checked when the job is made. */
export function requirementsOf(taskOptions: Record<string, unknown>): Requirements {
  const given = taskOptions['requires'] ?? null
  if (given === null) return NO_REQUIREMENTS
  if (problemsOf(given).length > 0)
    return { ...NO_REQUIREMENTS, key: JSON.stringify(given), broken: true }
  const wanted = given as Record<string, unknown>
  const features = FEATURES.filter((name) => wanted[name] === true)
  const [language, engine, model] = NAMES.map((name) => (wanted[name] ?? null) as string | null)
  const primary = language === null ? null : primaryOf(language!)
  const needs = [features, primary, engine!, model!] as const
  if (features.length === 0 && needs.slice(1).every((one) => one === null)) return NO_REQUIREMENTS
  return {
    key: JSON.stringify(needs),
    features,
    language: primary,
    engine: engine!,
    model: model!,
    broken: false,
  }
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

/** Whether a worker may have a job. Null: it has not said what it can do. */
export function meets(can: Capabilities | null, requirements: Requirements): boolean {
  const { key, features, language, engine, model, broken } = requirements
  if (key === '') return true
  if (can === null || broken) return false
  return (
    features.every((one) => can.features.includes(one)) &&
    (language === null ||
      can.languages === null ||
      can.languages.some((one) => primaryOf(one) === language)) &&
    (engine === null || can.engines.includes(engine)) &&
    (model === null || can.models.includes(model))
  )
}

/** The requirements in words: `diarize, language de`. */
export function inWords({ features, language, engine, model, broken }: Requirements): string {
  if (broken) return 'something that cannot be understood: see task_options.requires'
  const names = { language, engine, model }
  const named = Object.entries(names).filter(([, value]) => value !== null)
  return [...features, ...named.map(([name, value]) => `${name} ${value}`)].join(', ')
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

function primaryOf(language: string): string {
  return language.trim().toLowerCase().split(/[-_]/, 1)[0]!
}
