import { InvalidArgumentError, Option, type Command } from 'commander'
import { AppError } from '../../shared/errors.ts'
import { FORMS, type Form } from '../../shared/forms.ts'
import type { BatchOptions } from '../files/batch.ts'
import { isFolder, mediaFiles, type MediaFile, type Search } from '../files/media-files.ts'
import { OutputFolder } from '../files/output-folder.ts'
import { openOutput, type Output } from '../output.ts'
import type { Reporter } from '../progress/reporter-kinds.ts'
import type { Flags } from '../settings/config.ts'

export function formOption(): Option {
  const text =
    'form of the transcript, or several with commas for --output-dir (default: by the extension of --output, else md)'
  const option = new Option('--format <format>', text)
  option.argChoices = [...FORMS]
  return option.argParser(formsOf)
}

function formsOf(text: string): Form[] {
  const names = text.split(',').map((name) => name.trim())
  const forms = names.flatMap((name) => FORMS.filter((form) => form === name))
  if (forms.length === names.length) return [...new Set(forms)]
  throw new InvalidArgumentError(`Allowed choices are ${FORMS.join(', ')}.`)
}

/** @throws {AppError} as {@link openOutput}; `usage` for several formats. */
export async function outputOf(file: string, flags: Flags): Promise<Output> {
  const { output, format } = flags as { output?: string; format?: Form[] }
  if (format !== undefined && format.length > 1)
    throw new AppError('usage', 'Give one --format, or --output-dir for several.')
  return await openOutput(output, format?.[0], file)
}

/** Of commands that take many files. */
export function addBatchFlags(command: Command): Command {
  return command
    .option(
      '--output-dir <dir>',
      'folder for the transcripts of many files, or "beside" for the folder of each',
    )
    .option('--recursive', 'with the folders in a folder, too')
    .option('--skip-existing', 'leave out files whose transcripts are there')
    .option('--json', 'print JSON: a line for each of many files')
}

/**
 * Whether many files are to be transcribed: then each transcript goes to a file of its own.
 * @throws {AppError} `usage` for a flag that is for many, given with one.
 */
export async function isBatch(files: readonly string[], flags: Flags): Promise<boolean> {
  if (flags['outputDir'] !== undefined || files.length > 1 || (await isFolder(files[0]!)))
    return true
  if (flags['recursive'] === true || flags['skipExisting'] === true)
    throw new AppError('usage', '--recursive and --skip-existing are for --output-dir.')
  return false
}

/** @throws {AppError} `usage` for flags that do not fit, files that are not there, and as {@link OutputFolder.check}. */
export async function batchOf(
  named: readonly string[],
  flags: Flags,
  reporter: Reporter,
): Promise<Pick<BatchOptions, 'outputs' | 'skipExisting'> & { files: MediaFile[] }> {
  const { outputDir, format = ['md'] } = flags as { outputDir?: string; format?: Form[] }
  if (flags['output'] !== undefined)
    throw new AppError('usage', '--output is for one file: give --output-dir for several.')
  if (outputDir === undefined)
    throw new AppError('usage', 'Several files need --output-dir DIR, or --output-dir beside.')
  const files = await mediaFiles(named, searchOf(flags, reporter))
  const outputs = new OutputFolder(outputDir, format)
  await outputs.check(files)
  return { files, outputs, skipExisting: flags['skipExisting'] === true }
}

export function searchOf(flags: Flags, reporter: Reporter): Search {
  return {
    recursive: flags['recursive'] === true,
    warn: (message) => reporter.event('warn', message),
  }
}
