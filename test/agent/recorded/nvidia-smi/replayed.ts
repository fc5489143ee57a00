import { existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { chmod, copyFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** A program that stands for nvidia-smi or rocm-smi, and how it was called so far. */
export interface Replay {
  program: string
  calls: () => { pid: number; args: string[] }[]
}

/** Where a recorded output is: `nvidia-smi/two-gpus.csv`, … */
export function recorded(name: string): string {
  return fileURLToPath(new URL(`../${name}`, import.meta.url))
}

/**
 * The replay program in a folder of its own in `dir`. What it prints: `files` by the names of recorded outputs, `text` as
 * it is; the keys are those that `replay.mjs` looks for.
 */
export async function replay(
  dir: string,
  files: Record<string, string>,
  text: Record<string, string> = {},
): Promise<Replay> {
  const folder = mkdtempSync(path.join(dir, 'replay-'))
  const program = path.join(folder, 'replay.mjs')
  await copyFile(recorded('nvidia-smi/replay.mjs'), program)
  await chmod(program, 0o755)
  for (const [name, file] of Object.entries(files)) {
    await copyFile(recorded(file), path.join(folder, name))
  }
  for (const [name, content] of Object.entries(text)) {
    await writeFile(path.join(folder, name), content)
  }
  return {
    program,
    calls() {
      const file = path.join(folder, 'calls')
      // What follows the last line's end is still being written.
      const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []
      return lines.map((line) => JSON.parse(line) as { pid: number; args: string[] })
    },
  }
}
