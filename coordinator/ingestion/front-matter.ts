/**
 * A text after its metadata, in the form that the stage `chunker` reads: `---`, a `key: "value"` on each line, `---`. It
 * splits a line at its first colon, and takes `---` at the end of any line for the end: every value is JSON text.
 */
export function withFrontMatter(text: string, metadata: Readonly<Record<string, unknown>>): string {
  const lines = Object.entries(metadata).flatMap(([key, value]) =>
    value === undefined || value === null ? [] : [`${nameOf(key)}: ${valueOf(value)}\n`],
  )
  return lines.length === 0 ? text : `---\n${lines.join('')}---\n${text}`
}

function nameOf(key: string): string {
  return key.replace(/[^\p{L}\p{N}_.-]+/gu, '_').replace(/-+$/, '') || '_'
}

function valueOf(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return `"${text.replace(/[\r\n\u0085\u2028\u2029]+/g, ' ')}"`
}
