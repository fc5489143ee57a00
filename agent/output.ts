import { randomUUID } from 'node:crypto'
import { rename, rm, writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import { AppError, messageOf } from '../shared/errors.ts'
import { printableText } from '../shared/printable.ts'

/**
 * Writes a command's result: to a file, which appears whole or not at all, or to standard output.
 * @throws {AppError} `usage` when the file cannot be written.
 */
export async function writeOutput(file: unknown, text: string): Promise<void> {
  if (typeof file !== 'string' || file === '-') return await print(text)
  const temporary = `${file}.${randomUUID()}.tmp`
  try {
    await writeFile(temporary, text)
    await rename(temporary, file)
  } catch (error) {
    await rm(temporary, { force: true })
    const message = `${file} cannot be written (--output): ${messageOf(error)}.`
    throw new AppError('usage', message, { cause: error })
  }
}

/** All of a text on standard output, also where that is a slow pipe. A terminal gets nothing that it would obey. */
export async function print(text: string): Promise<void> {
  const shown = process.stdout.isTTY ? printableText(text) : text
  if (!process.stdout.write(shown)) await once(process.stdout, 'drain')
}
