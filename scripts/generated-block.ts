import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

/**
 * A page with `text` between `<!-- name -->` and `<!-- end of end -->`.
 * @throws when the page lacks one of them.
 */
export function withBlock(page: string, name: string, end: string, text: string): string {
  const begin = `<!-- ${name} -->`
  const from = page.indexOf(begin)
  const until = page.indexOf(`<!-- end of ${end} -->`, from)
  if (from === -1 || until === -1) throw new Error(`The page has no block "${begin}".`)
  return `${page.slice(0, from + begin.length)}\n\n${text}\n\n${page.slice(until)}`
}

/** A table in Markdown. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(heads), `|${'---|'.repeat(heads.length)}`, ...rows.map(line)].join('\n')
}

/** Rewrites a page's generated blocks. @param page from the root of the project. */
export async function rewrite(page: string, change: (page: string) => string): Promise<void> {
  const file = fileURLToPath(new URL(`../${page}`, import.meta.url))
  await writeFile(file, change(await readFile(file, 'utf8')))
}
