import path from 'node:path'
import { hasPlaceholder, splitCommand } from './command-line.ts'
import { AppError } from './errors.ts'

/** By content type, a program and its arguments, with `{input}` among them. */
export type ConverterCommands = Record<string, readonly string[]>

const COMMANDS = /(?:'[^']*'|"(?:[^"\\]|\\.)*"|\\.|[^'"\\;\n]|['"\\])+/gs

/**
 * Reads `document='pandoc -t markdown {input}'`, or several of them separated by `;` or new lines. The last one of a type
 * counts.
 * @param what its name in error messages.
 * @param before of a repeated flag.
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

/** The text that {@link converterCommands} reads as these commands. */
export function converterText(commands: Readonly<ConverterCommands>): string {
  const texts = Object.entries(commands).map(
    ([type, command]) => `${type}=${command.map(quoted).join(' ')}`,
  )
  return texts.join('; ')
}

function quoted(arg: string): string {
  return /^[\w@%+:,./={}-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", `'\\''`)}'`
}

/** A path is resolved here: the program runs in another folder. */
function located(program: string): string {
  return program.includes('/') ? path.resolve(program) : program
}
