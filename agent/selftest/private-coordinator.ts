import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { startChild } from '../../shared/start-child.ts'
import { AppError } from '../../shared/errors.ts'
import { childEnv } from '../../shared/child-env.ts'

/**
 * Starts a coordinator for the time of a test: a child process on a free port, with a temporary data folder.
 * @throws {AppError} `engine_missing` when it does not start.
 */
export async function startPrivateCoordinator() {
  const folder = await mkdtemp(path.join(tmpdir(), 'morag-selftest-'))
  const data = ['--data-dir', path.join(folder, 'data'), '--media-root', folder]
  const args = ['serve', '--host', '127.0.0.1', '--port', '0', ...data, '--log-format', 'json']
  const apiKey = randomBytes(32).toString('hex')
  const child = startChild(process.execPath, [...program(), ...args], {
    env: childEnv({ MORAG_API_KEY: apiKey }),
    stdin: 'ignore',
    buffer: false,
  })
  const lines = createInterface({ input: child.stdout })
  const close = async (): Promise<void> => {
    child.kill()
    await child
    await rm(folder, { recursive: true, force: true })
  }
  for await (const line of lines) {
    const url = urlIn(line)
    if (url === null) continue
    // Keep reading, so that it never blocks on a full pipe.
    child.stdout.resume()
    return { url, apiKey, close }
  }
  await close()
  throw new AppError(
    'engine_missing',
    'The private coordinator did not start; name another with --url.',
  )
}

function program(): string[] {
  const compiled = fileURLToPath(new URL('../../coordinator/cli.js', import.meta.url))
  if (existsSync(compiled)) return [compiled]
  const source = fileURLToPath(new URL('../../coordinator/cli.ts', import.meta.url))
  return ['--import', import.meta.resolve('tsx'), source]
}

function urlIn(line: string): string | null {
  try {
    const { url } = JSON.parse(line) as { url?: unknown }
    return typeof url === 'string' ? url : null
  } catch {
    return null
  }
}
