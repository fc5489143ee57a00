import { chmod, mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'

/** Puts a replay of that name into a folder, as a program that can be run. Returns its path. */
export async function installReplay(folder: string, name: string): Promise<string> {
  const script = new URL(`./${name}.mjs`, import.meta.url).href
  const file = path.join(folder, name)
  await mkdir(folder, { recursive: true })
  await writeFile(file, `#!${process.execPath}\nimport(${JSON.stringify(script)})\n`)
  await chmod(file, 0o755)
  return file
}
