import path from 'node:path'
import { hasPlaceholder, splitCommand } from './command-line.ts'
import { AppError } from './errors.ts'

/** By content type, the command that makes text of such a file: a program and its arguments, `{input}` among them. */
export type ConverterCommands = Record<string, readonly string[]>

/** Commands with `;` or a new line between them, as far as that is not quoted. */
const COMMANDS = /(?:'[^']*'|"(?:[^"\\]|\\.)*"|\\.|[^'"\\;\n]|['"\\])+/gs

/**
 * Reads `document='pandoc -t markdown {input}'`, or several of that kind with `;` or new lines between them. Of one type
 * the last counts.
 * @param what it is called in the sentence that refuses it.
 * @param before what was read earlier, of a flag that is given more than once.
 * @throws {AppError} `usage`
 */
export function converterCommands(
  text: string,
  what: string,
  before: ConverterCommands = {},
): ConverterCommands {
  const pairs = (text.match(COMMANDS) ?? [])
    .filter((one) => one.trim() !== '')
    .map((one) => {
      const [, type, command = ''] = /^\s*([^\s=]+)\s*=(.*)$/s.exec(one) ?? []
      const [program = '', ...args] = command.trim() === '' ? [] : splitCommand(command)
      if (type !== undefined && hasPlaceholder(args, 'input'))
        return [type, [located(program), ...args]] satisfies [string, string[]]
      const message = `'${one.trim()}' is not a ${what}: write it like document='pandoc -t markdown {input}'.`
      throw new AppError('usage', message)
    })
  return { ...before, ...Object.fromEntries(pairs) }
}

/** What {@link converterCommands} reads as these commands. */
export function converterText(commands: Readonly<ConverterCommands>): string {
  const texts = Object.entries(commands).map(
    ([type, command]) => `${type}=${command.map(quoted).join(' ')}`,
  )
  return texts.join('; ')
}

function quoted(arg: string): string {
  return /^[\w@%+:,./={}-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", `'\\''`)}'`
}

/** A program that is named by its path: it runs in a folder of its own, and the path is seen from here. */
function located(program: string): string {
  return program.includes('/') ? path.resolve(program) : program
}
