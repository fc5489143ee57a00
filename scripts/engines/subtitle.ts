import path from 'node:path'
import { npmEnv } from '../../agent/paths.ts'
import { once, type PrepareOptions } from './once.ts'
import { runTool } from './tool.ts'

const VERSION = '4.2.2'
const QUIET = ['--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error']

/**
 * The npm package `subtitle`, a parser of SubRip and WebVTT, installed once into a folder of its own.
 * @returns its folder.
 * @throws {AppError} `engine_missing` when npm cannot get it.
 */
export async function subtitlePackage(options: PrepareOptions): Promise<string> {
  const folder = await once(
    `subtitle-${VERSION}`,
    async (made) => {
      const args = ['install', '--prefix', made, `subtitle@${VERSION}`, ...QUIET]
      const hint = 'npm gets it, and has to reach its registry.'
      const { signal } = options
      await runTool('npm', args, { signal, hint, cwd: made, env: npmEnv() })
    },
    options,
  )
  return path.join(folder, 'node_modules', 'subtitle')
}
