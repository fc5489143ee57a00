/** What breaks a line or moves a terminal's cursor: control characters (ESC is one, so no escape sequence is left). */
// oxlint-disable-next-line no-control-regex
const BREAKING = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\s]+/g
/**
 * What is not seen and changes how the rest is read: characters that turn the direction of writing, annotations, and tags,
 * in which a whole second text can be hidden. Joiners stay: scripts and emoji need them.
 */
const UNSEEN = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu
/** Of the control characters those that only a line's end and its indentation need are left. */
const OBEYED = /(?![\n\t])\p{Cc}/gu
/** Half a character: no encoding has it. */
const HALF = /\p{Surrogate}/gu

/**
 * Words of strangers (a file's name, a title in it, what a program prints) on one line, as they may be shown on a terminal
 * or put into a document: they cannot begin a line of their own, move a cursor, or be read otherwise than they are.
 * @param most how many characters are kept; of more the rest becomes `…`. Default: all.
 */
export function printable(text: string, { most = Infinity }: { most?: number } = {}): string {
  const line = text.replace(UNSEEN, '').replace(HALF, '\ufffd').replace(BREAKING, ' ').trim()
  if (line.length <= most) return line
  const characters = Array.from(line)
  return characters.length <= most ? line : `${characters.slice(0, most - 1).join('')}…`
}

/** The same of a whole text, as it goes to a terminal: its lines and their indentation stay. */
export function printableText(text: string): string {
  return text.replace(UNSEEN, '').replace(HALF, '\ufffd').replace(OBEYED, ' ')
}
