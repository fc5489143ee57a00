import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Every Markdown page of the project, from its root. */
export const PAGES: readonly string[] = [
  'README.md',
  ...['.github', 'agent', 'coordinator', 'shared', 'test'].flatMap(pagesBelow),
]

function pagesBelow(folder: string): string[] {
  const names = readdirSync(path.join(ROOT, folder), { recursive: true, encoding: 'utf8' })
  return names
    .filter((name) => name.endsWith('.md'))
    .map((name) => path.posix.join(folder, ...name.split(path.sep)))
    .toSorted()
}

/** A fenced block of a page. */
export interface Snippet {
  page: string
  /** As the fence says it; empty for a drawing. */
  language: string
  /** The file that its first line names, as in `# transcribe.py talk.mp3`: then it is a whole program. Else null. */
  name: string | null
  code: string
}

export function readPage(page: string): string {
  return readFileSync(path.join(ROOT, page), 'utf8')
}

/** Every fenced block of a page. @throws {Error} when a fence is written so that a block would be overlooked. */
export function snippetsOf(page: string): Snippet[] {
  const text = readPage(page)
  const fences = text.match(/^.*(?:```|~~~).*$/gm) ?? []
  const found = [...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)]
  if (fences.length !== found.length * 2)
    throw new Error(`A fence of ${page} is not three backquotes at the beginning of a line.`)
  return found.map(([, language, code]) => ({
    page,
    language: language!,
    name: /^(?:#|\/\/) ([\w-]+\.(?:py|sh|mts))\b/.exec(code!)?.[1] ?? null,
    code: code!,
  }))
}
