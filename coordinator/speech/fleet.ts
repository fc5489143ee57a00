import { invalid } from '../../shared/errors.ts'

/** What the agents known by now can do. */
export interface Fleet {
  /** False: none has announced anything yet, so nothing is refused. */
  isKnown: boolean
  models: ReadonlySet<string>
  features: ReadonlySet<string>
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
  model: string | null
  /** Without them the answer would be wrong: refused where no agent has them. */
  must: Partial<Record<Feature, boolean>>
  /** Used where an agent has them. */
  may: Partial<Record<Feature, boolean>>
  /** Called with a sentence for each of those that no agent has. */
  warn: (text: string) => void
}

/** What a job requires of its agent. @throws {AppError} `invalid` */
export function requiresOf(
  { isKnown, features }: Fleet,
  { model, must, may, warn }: Wishes,
): Record<string, unknown> {
  const wanted = (from: Wishes['may']): Feature[] => NAMES.filter((one) => from[one] === true)
  const lacking = (one: Feature): boolean => isKnown && !features.has(one)
  for (const one of wanted(must).filter(lacking))
    throw invalid(`No connected agent ${FEATURES[one]}.`, ['body'])
  for (const one of wanted(may).filter(lacking)) warn(`No connected agent ${FEATURES[one]}.`)
  const required = [...wanted(must), ...wanted(may).filter((one) => features.has(one))]
  return {
    ...Object.fromEntries(required.map((one) => [one, true])),
    ...(model !== null && { model }),
  }
}
