import type { Detected } from '../engine.ts'
import { languageCode } from '../whisper/languages.ts'

/** How a program says that it begins with the next file, and which language it heard in it: name or code, probability. */
export interface DetectionLines {
  /** Looked for only where there are several files: some say nothing before a single one. */
  file: RegExp
  language: RegExp
}

/** The languages of `count` files that a program went through one after the other, by what it printed. */
export function detectedIn(
  stdout: string,
  count: number,
  lines: DetectionLines,
): (Detected | null)[] {
  const found = Array.from({ length: count }, (): Detected | null => null)
  let file = count === 1 ? 0 : -1
  for (const line of stdout.split(/\r|\n/)) {
    if (count > 1 && lines.file.test(line)) file++
    const [, heard, probability] = lines.language.exec(line) ?? []
    if (heard === undefined || file < 0 || file >= count) continue
    const language = languageCode(heard)
    found[file] =
      language === null ? null : { language, probability: Math.min(1, Number(probability)) }
  }
  return found
}
