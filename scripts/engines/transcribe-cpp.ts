import path from 'node:path'
import { npmEnv } from '../../agent/paths.ts'
import { once, type PrepareOptions } from './once.ts'
import { runTool } from './tool.ts'

/** As in package.json, where npm leaves it out with Node 20. */
const VERSION = '0.2.3'
const QUIET = ['--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error']

/**
 * The npm package `transcribe-cpp`, installed once into a folder of its own.
 * @returns its folder.
 * @throws {AppError} `engine_missing` when npm cannot get it.
 */
export async function transcribeCpp({ signal, say, ...options }: PrepareOptions): Promise<string> {
  const folder = await once(
    `transcribe-cpp-${VERSION}-${process.platform}-${process.arch}`,
    async (made) => {
      say?.(`Installing transcribe-cpp ${VERSION} (73 MB)`)
      const args = ['install', '--prefix', made, `transcribe-cpp@${VERSION}`, ...QUIET]
      const hint = 'npm gets it, and has to reach its registry.'
      await runTool('npm', args, { signal, hint, cwd: made, env: npmEnv() })
    },
    { signal, ...(say === undefined ? {} : { say }), ...options },
  )
  return path.join(folder, 'node_modules', 'transcribe-cpp')
}
