import path from 'node:path'
import { fileURLToPath } from 'node:url'

const EXTENSION = path.extname(fileURLToPath(import.meta.url))

/** Options for Node before it can import modules of the project: tsx for TypeScript, none where they are compiled. */
export const LOADER: readonly string[] =
  EXTENSION === '.ts' ? ['--import', import.meta.resolve('tsx')] : []

/** The URL under which a module of the project is to be had: of the file that it was compiled to, where that is so. */
export function moduleUrl(source: URL): string {
  return source.href.replace(/\.ts$/, EXTENSION)
}

/** What Node is given to run a module of the project. */
export function nodeScript(source: URL): string[] {
  return [...LOADER, fileURLToPath(moduleUrl(source))]
}
