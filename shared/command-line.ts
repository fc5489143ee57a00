import { split } from 'shlex'
import { AppError, messageOf } from './errors.ts'

/**
 * Splits a command into its arguments as a shell does: at spaces, except in `'…'` or `"…"` or after a `\`. No variables,
 * patterns or pipes: no shell runs it.
 * @throws {AppError} `usage` when a quote is not closed, or the command is empty.
 */
export function splitCommand(text: string): string[] {
  const args = splitOrFail(text)
  if (args.length === 0) throw new AppError('usage', 'The command is empty.')
  return args
}

function splitOrFail(text: string): string[] {
  try {
    return split(text)
  } catch (error) {
    const isEscape = messageOf(error).includes('escape')
    const what = isEscape ? 'ends with \\' : 'has a quote that is not closed'
    throw new AppError('usage', `The command '${text}' ${what}.`, { cause: error })
  }
}

/** Replaces `{name}` by its value, in one pass: values are not expanded again. Unknown names stay. */
export function fillTemplate(
  template: readonly string[],
  values: Readonly<Record<string, string>>,
): string[] {
  return template.map((arg) =>
    arg.replaceAll(/\{(\w+)\}/g, (whole, name: string) =>
      Object.hasOwn(values, name) ? (values[name] ?? whole) : whole,
    ),
  )
}

export function hasPlaceholder(template: readonly string[], name: string): boolean {
  return template.some((arg) => arg.includes(`{${name}}`))
}
