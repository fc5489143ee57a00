import { AppError } from './errors.ts'

const PIECE = /'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)|([^\s'"\\]+)/gsy

/**
 * Splits a command into its arguments as a shell does: at spaces, except in `'…'` or `"…"` or after a `\`. No variables,
 * patterns or pipes: no shell runs it.
 * @throws {AppError} `usage` when a quote is not closed, or the command is empty.
 */
export function splitCommand(text: string): string[] {
  const args: string[] = []
  let at = 0
  while (at < text.length) {
    const space = /^\s+/.exec(text.slice(at))?.[0].length ?? 0
    at += space
    if (at >= text.length) break
    let arg = ''
    while (at < text.length && !/\s/.test(text.charAt(at))) {
      PIECE.lastIndex = at
      const piece = PIECE.exec(text)
      if (piece === null) {
        const what =
          text.charAt(at) === '\\' ? 'ends with \\' : `has a ${text.charAt(at)} that is not closed`
        throw new AppError('usage', `The command '${text}' ${what}.`)
      }
      const [whole, single, double, escaped, bare] = piece
      // In double quotes a backslash escapes only a quote and itself.
      arg += single ?? double?.replaceAll(/\\(["\\])/gs, '$1') ?? escaped ?? bare ?? ''
      at += whole.length
    }
    args.push(arg)
  }
  if (args.length === 0) throw new AppError('usage', 'The command is empty.')
  return args
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
