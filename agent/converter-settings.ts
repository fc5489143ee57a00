import { InvalidArgumentError, type Command } from 'commander'
import { converterCommands, type ConverterCommands } from '../shared/converter-command.ts'
import { MINUTE } from '../shared/duration.ts'
import { AppError, messageOf } from '../shared/errors.ts'
import { setting } from '../shared/settings.ts'
import { checked, milliseconds, nameList } from './settings/setting-values.ts'
import { SPEECH_TYPES } from './work/content-types.ts'

/** What this agent makes text of with other programs than engines. */
export interface ConverterSettings {
  commands: ConverterCommands
  /** How long a conversion may take, in ms. */
  timeoutMs: number
}

/** Programs that are known to do well, for whoever has none. */
const RECIPES = new Map([
  ['document', 'markitdown {input}'],
  ['image', 'tesseract {input} stdout'],
])

/** Which jobs an agent takes, and what does those that no engine does. */
export function addTypeSettings(command: Command): Command {
  return command
    .addOption(
      setting(
        '--types <list>',
        'content types to take (default: audio,video and those of --converter)',
        'MORAG_WORKER_CONTENT_TYPES',
      ).argParser(checked(nameList)),
    )
    .addOption(
      setting(
        '--converter <type=command>',
        "program that makes Markdown of a content type, like document='markitdown {input}'; repeat for more",
        'MORAG_CONVERTERS',
      ).argParser((text, before?: ConverterCommands) => {
        try {
          return converterCommands(text, 'converter', before)
        } catch (error) {
          throw new InvalidArgumentError(messageOf(error))
        }
      }),
    )
    .addOption(
      setting(
        '--converter-timeout <duration>',
        'how long such a program may take for a file',
        'MORAG_CONVERTER_TIMEOUT',
      )
        .argParser(checked(milliseconds))
        .default(10 * MINUTE, '10m'),
    )
}

type Flags = Record<string, unknown>

export function converterSettings(flags: Flags): ConverterSettings {
  return {
    commands: (flags['converter'] as ConverterCommands | undefined) ?? {},
    timeoutMs: Number(flags['converterTimeout']),
  }
}

/**
 * The content types to take.
 * @throws {AppError} `usage` for one that nothing here makes text of.
 */
export function contentTypes(flags: Flags): string[] {
  const { commands } = converterSettings(flags)
  const asked = flags['types'] as string[] | undefined
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
