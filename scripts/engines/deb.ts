import { readdir } from 'node:fs/promises'
import type { PrepareOptions } from './once.ts'
import { runTool } from './tool.ts'

/**
 * Fetches a Debian package and unpacks it into an empty folder. Nothing in it is run.
 * @throws {AppError} `engine_missing` where `apt-get download` cannot fetch it.
 */
export async function unpackDeb(
  name: string,
  folder: string,
  { signal }: Pick<PrepareOptions, 'signal'>,
): Promise<void> {
  const run = { signal, cwd: folder, hint: 'The recordings are in Debian packages.' }
  await runTool('apt-get', ['download', name], run)
  const [archive] = await readdir(folder)
  await runTool('dpkg-deb', ['-x', archive!, '.'], run)
}
