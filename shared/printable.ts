/** Breaks a line or moves a terminal's cursor: control characters, ESC among them. */
// oxlint-disable-next-line no-control-regex
const BREAKING = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\s]+/g
/**
 * Invisible, and changes how the rest is read: bidirectional controls, annotations, and tags, which can hide a second text.
 * Joiners stay: scripts and emoji need them.
 */
const INVISIBLE = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu
/** Control characters other than new line and tab. */
const CONTROL = /(?![\n\t])\p{Cc}/gu
/** Half a character, which cannot be encoded. */
const HALF = /\p{Surrogate}/gu

/**
 * Foreign text (a file's name, a title, a program's output) on one line, safe for a terminal or a document.
 * @param most characters; the rest becomes `…`. Default: all.
 */
export function printable(text: string, { most = Infinity }: { most?: number } = {}): string {
  const line = text.replace(INVISIBLE, '').replace(HALF, '\ufffd').replace(BREAKING, ' ').trim()
  if (line.length <= most) return line
  const characters = Array.from(line)
  return characters.length <= most ? line : `${characters.slice(0, most - 1).join('')}…`
}

/** A text that is safe for a terminal; its lines and their indentation stay. */
export function printableText(text: string): string {
  return text.replace(INVISIBLE, '').replace(HALF, '\ufffd').replace(CONTROL, ' ')
}
