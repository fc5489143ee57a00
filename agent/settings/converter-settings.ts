import { AppError } from '../../shared/errors.ts'
import { valuesOf } from '../../shared/setting-table.ts'
import { SPEECH_TYPES } from '../work/content-types.ts'
import { CONVERTERS, TYPES } from './table.ts'

type Flags = Readonly<Record<string, unknown>>

/** What this agent makes text of with other programs than engines. */
export type ConverterSettings = ReturnType<typeof converterSettings>

/** Programs that are known to do well, for whoever has none. */
const RECIPES = new Map([
  ['document', 'markitdown {input}'],
  ['image', 'tesseract {input} stdout'],
])

export function converterSettings(flags: Flags) {
  return valuesOf(flags, CONVERTERS)
}

/**
 * The content types to take.
 * @throws {AppError} `usage` for one that nothing here makes text of.
 */
export function contentTypes(flags: Flags): string[] {
  const { commands } = converterSettings(flags)
  const asked = valuesOf(flags, TYPES).contentTypes
  const types = [...new Set(asked ?? [...SPEECH_TYPES, ...Object.keys(commands)])]
  const [without] = types.filter(
    (type) => !SPEECH_TYPES.includes(type) && !Object.hasOwn(commands, type),
  )
  if (without === undefined) return types
  const recipe = RECIPES.get(without) ?? 'program {input}'
  throw new AppError(
    'usage',
    `--types (MORAG_WORKER_CONTENT_TYPES) names '${without}', which this agent cannot convert: it recognises ${SPEECH_TYPES.join(' and ')}. Name a program for it, like --converter ${without}='${recipe}', or leave it out.`,
  )
}
