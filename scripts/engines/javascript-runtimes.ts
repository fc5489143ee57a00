import path from 'node:path'
import { markOf, once, type PrepareOptions } from './once.ts'
import { runTool } from './tool.ts'

/** TypeScript 5: its users have no newer one yet. */
const PACKAGES = ['bun@1.4.5', 'deno@2.9.6', 'typescript@5.9.3']

/** Programs that run JavaScript, and the compiler of most projects. */
export interface JavaScriptRuntimes {
  bun: string
  deno: string
  tsc: string
}

/** Installs them from npm, once. @throws {AppError} `engine_missing` when one cannot be had. */
export async function javaScriptRuntimes(options: PrepareOptions): Promise<JavaScriptRuntimes> {
  const folder = await once(
    `javascript-runtimes-${markOf(...PACKAGES)}`,
    async (home) => {
      const args = ['install', '--prefix', home, '--no-audit', '--no-fund', ...PACKAGES]
      await runTool('npm', args, { signal: options.signal, hint: 'npm is needed.' })
    },
    options,
  )
  const bin = (name: string): string => path.join(folder, 'node_modules/.bin', name)
  return { bun: bin('bun'), deno: bin('deno'), tsc: bin('tsc') }
}
