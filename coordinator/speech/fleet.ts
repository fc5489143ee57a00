import { invalid } from '../../shared/errors.ts'

/** What the connected agents can do. */
export interface Fleet {
  /** False: none has announced anything yet, so nothing is refused. */
  isKnown: boolean
  models: ReadonlySet<string>
  /** Whether one of them may have a job with such options. */
  serves: (taskOptions: Record<string, unknown>) => boolean
  /** Other names of models; null: the agent's usual one. */
  aliases: ReadonlyMap<string, string | null>
}

const FEATURES = {
  diarize: 'tells speakers apart',
  translate: 'translates',
  words: 'gives the times of words',
} as const

type Feature = keyof typeof FEATURES
const NAMES = Object.keys(FEATURES) as Feature[]

/** The aliases of `--model-alias`: `name` or `name=model`. */
export function aliasesOf(listed: readonly string[]): Map<string, string | null> {
  return new Map(
    listed.map((one) => {
      const [name, model] = one.split('=', 2) as [string, string?]
      return [name.trim(), model?.trim() || null]
    }),
  )
}

/** A model as a client names it, as agents name it; null: the agent's usual one. @throws {AppError} `not_found` */
export function modelOf(name: string | undefined, fleet: Fleet): string | null {
  if (name === undefined) return null
  const alias = fleet.aliases.get(name)
  if (alias !== undefined) return alias
  if (!fleet.isKnown || fleet.models.has(name)) return name
  const known = [...fleet.aliases.keys(), ...fleet.models].slice(0, 20).join(', ')
  const msg = `No connected agent has the model '${name}': use one of ${known}, or make it a name of another with --model-alias.`
  throw invalid(msg, ['body', 'model'], 'not_found')
}

interface Wishes {
  /** The job's, without `requires`. */
  options: Record<string, unknown>
  /** Without them the answer would be wrong: refused where no agent that fits the job has them. */
  must: Partial<Record<Feature, boolean>>
  /** Used where such an agent has them. */
  may: Partial<Record<Feature, boolean>>
  /** Called with a sentence for each of those that none has. */
  warn: (text: string) => void
}

/** What a job requires of its agent. @throws {AppError} `invalid` */
export function requiresOf(
  { isKnown, serves }: Fleet,
  { options, must, may, warn }: Wishes,
): Record<string, unknown> {
  const { model } = options
  const requires: Record<string, unknown> = model === undefined ? {} : { model }
  // Each with those before it: one agent does the job.
  const add = (wanted: Wishes['may'], lack: (text: string) => void): void => {
    for (const one of NAMES.filter((name) => wanted[name] === true))
      if (isKnown && !serves({ ...options, requires: { ...requires, [one]: true } }))
        lack(`No connected agent that fits this request ${FEATURES[one]}.`)
      else requires[one] = true
  }
  add(must, (text) => {
    throw invalid(text, ['body'])
  })
  if (isKnown) add(may, warn)
  return requires
}
