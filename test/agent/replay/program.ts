import { writeFileSync } from 'node:fs'
import path from 'node:path'

/** A program in `folder`, named as the real one, that plays a scenario back. Returns its path. */
export function replayProgram(
  folder: string,
  name: 'whisper-ctranslate2' | 'whisperx' | 'whisper',
  scenario: string,
): string {
  const file = path.join(folder, name)
  const script = path.join(import.meta.dirname, `${name}.mjs`)
  const line = [process.execPath, script, scenario].map((word) => `'${word}'`).join(' ')
  writeFileSync(file, `#!/bin/sh\nexec ${line} "$@"\n`, { mode: 0o755 })
  return file
}
