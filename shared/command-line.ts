import { AppError } from './errors.ts'

/** A piece of a command line: quoted in one way or the other, escaped, or bare. */
const PIECE = /'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)|([^\s'"\\]+)/gsy

/**
 * Splits a command into its arguments, as a shell would split it: at spaces, but for those in `'…'` or `"…"` or after a
 * `\`. Nothing else means anything: no variables, no patterns, no pipes, for no shell ever sees it.
 * @throws {AppError} `usage` when a quote is not closed, or there is nothing.
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
      // Between double quotes a backslash is one, but before what would end them and before itself.
      arg += single ?? double?.replaceAll(/\\(["\\])/gs, '$1') ?? escaped ?? bare ?? ''
      at += whole.length
    }
    args.push(arg)
  }
  if (args.length === 0) throw new AppError('usage', 'The command is empty.')
  return args
}

/**
 * Puts values in the place of `{name}`, each within its argument, in one pass: what a value holds is not looked at again.
 * What is not among `values` stays as it is.
 */
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

/** Whether a template holds `{name}`. */
export function hasPlaceholder(template: readonly string[], name: string): boolean {
  return template.some((arg) => arg.includes(`{${name}}`))
}
