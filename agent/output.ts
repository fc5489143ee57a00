import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { constants } from 'node:fs'
import { access, mkdtemp, open, realpath, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { AppError, isSystemError, messageOf } from '../shared/errors.ts'
import { ENDINGS, FORMS, type Form } from '../shared/forms.ts'
import { printableText } from '../shared/printable.ts'

export interface Output {
  /** Null: standard output. */
  file: string | null
  form: Form
}

/**
 * Checks `--output` and `--format` before any work is done. A folder gets `<name>.<form>`; without `--format` the extension
 * decides, else it is Markdown.
 * @param source the recording, which names the file in a folder and must not be overwritten.
 * @throws {AppError} `usage` when the two contradict each other, or the target is not writable.
 */
export async function openOutput(
  output: string | undefined,
  format: Form | undefined,
  source: string,
): Promise<Output> {
  if (output === undefined || output === '-') return { file: null, form: format ?? 'md' }
  const found = await stat(output).catch((error: unknown) => {
    if (isSystemError(error, 'ENOENT')) return null
    throw unwritable(output, error)
  })
  if (found?.isDirectory() === true) {
    const form = format ?? 'md'
    const file = path.join(output, `${path.parse(source).name}.${ENDINGS[form]}`)
    await checkWritable(file, source)
    return { file, form }
  }
  const endsAs = (ending: string): boolean => output.toLowerCase().endsWith(`.${ending}`)
  // `.chapters.vtt` is no `.vtt`.
  const named =
    FORMS.findLast((form) => endsAs(ENDINGS[form])) ??
    FORMS.find((form) => endsAs(lastEnding(form)))
  if (named !== undefined && format !== undefined && named !== format) {
    const message = `--output ${output} and --format ${format} contradict each other: leave one of them out.`
    throw new AppError('usage', message)
  }
  await checkWritable(output, source)
  return { file: output, form: format ?? named ?? 'md' }
}

/** `jsonl` of `chunks.jsonl`. */
function lastEnding(form: Form): string {
  return ENDINGS[form].split('.').at(-1)!
}

/**
 * Writes a transcript to a file, complete or not at all, or to standard output. When that fails, it is written to a
 * temporary folder, else to standard output.
 * @throws {AppError} `internal` that says where it is instead.
 */
export async function writeOutput({ file, form }: Output, text: string): Promise<void> {
  if (file === null) return await print(text)
  try {
    await writeWhole(file, text)
  } catch (error) {
    const kept = await keepElsewhere(`${path.parse(file).name}.${lastEnding(form)}`, text)
    const where = kept === null ? 'printed' : `in ${kept}`
    const message = `${file} cannot be written (--output): ${messageOf(error)}. The transcript is ${where} instead.`
    throw new AppError('internal', message, { cause: error })
  }
}

/** Writes a text to standard output, also to a slow pipe. On a terminal, control characters are replaced. */
export async function print(text: string): Promise<void> {
  const shown = process.stdout.isTTY ? printableText(text) : text
  if (!process.stdout.write(shown)) await once(process.stdout, 'drain')
}

export async function printJson(value: unknown): Promise<void> {
  await print(`${JSON.stringify(value, null, 2)}\n`)
}

async function checkWritable(file: string, source: string): Promise<void> {
  try {
    const found = await stat(file).catch(() => null)
    if (found?.isDirectory() === true) throw new Error('it is a folder')
    if (found !== null && (await realpath(file)) === (await realpath(source).catch(() => null)))
      throw new Error('it is the file that is read')
    // A file is replaced, which needs a writable folder; a device or a pipe is written to.
    if (found === null || found.isFile()) {
      if (!(await stat(path.dirname(path.resolve(file)))).isDirectory())
        throw new Error('no folder')
      await access(path.dirname(path.resolve(file)), constants.W_OK | constants.X_OK)
    } else await access(file, constants.W_OK)
  } catch (error) {
    throw unwritable(file, error)
  }
}

function unwritable(file: string, error: unknown): AppError {
  const message = `${file} cannot be written (--output): ${messageOf(error)}.`
  return new AppError('usage', message, { cause: error })
}

async function writeWhole(file: string, text: string): Promise<void> {
  const found = await stat(file).catch(() => null)
  if (found !== null && !found.isFile()) {
    if (found.isDirectory()) throw new Error('it is a folder')
    return await writeFile(file, text)
  }
  const temporary = `${file}.${randomUUID()}.tmp`
  try {
    await writeFile(temporary, text)
    await rename(temporary, file)
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined)
    throw error
  }
}

/** Returns the file that holds the text; null: it had to be printed. */
async function keepElsewhere(name: string, text: string): Promise<string | null> {
  try {
    const file = path.join(await mkdtemp(path.join(tmpdir(), 'morag-transcript-')), name)
    const handle = await open(file, 'wx', 0o600)
    try {
      await handle.writeFile(text)
    } finally {
      await handle.close()
    }
    return file
  } catch {
    await print(text)
    return null
  }
}
