import { AppError } from '../../shared/errors.ts'
import { valuesOf } from '../../shared/settings.ts'
import { SPEECH_TYPES } from '../work/content-types.ts'
import { CONVERTERS, TYPES } from './table.ts'

type Flags = Readonly<Record<string, unknown>>

export type ConverterSettings = ReturnType<typeof converterSettings>

const RECIPES = new Map([
  ['document', 'markitdown {input}'],
  ['image', 'tesseract {input} stdout'],
])

export function converterSettings(flags: Flags) {
  return valuesOf(flags, CONVERTERS)
}

/** The content types to take. @throws {AppError} `usage` for one without a converter. */
export function contentTypes(flags: Flags): string[] {
  const { commands } = converterSettings(flags)
  const asked = valuesOf(flags, TYPES).contentTypes
  const types = [...new Set(asked ?? [...SPEECH_TYPES, ...Object.keys(commands)])]
  const [missing] = types.filter(
    (type) => !SPEECH_TYPES.includes(type) && !Object.hasOwn(commands, type),
  )
  if (missing === undefined) return types
  const recipe = RECIPES.get(missing) ?? 'program {input}'
  throw new AppError(
    'usage',
    `--types (MORAG_WORKER_CONTENT_TYPES) names '${missing}', which has no converter: only ${SPEECH_TYPES.join(' and ')} need none. Add one, like --converter ${missing}='${recipe}', or leave it out.`,
  )
}
