import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { AppError } from '../../shared/errors.ts'

/** Where a program writes its transcript under a name that it makes itself. */
export interface OutputFolder {
  folder: string
  /** With its dot. */
  ending: string
  /** Of the recording, without its ending: the name that most programs make theirs from. */
  stem: string
}

/**
 * The file that the program wrote: `STEM.ENDING` if it is there, else the only one with that ending; null: none.
 * @throws {AppError} `engine_failed` when several have the ending.
 */
export async function writtenFile({ folder, ending, stem }: OutputFolder): Promise<string | null> {
  const entries = await readdir(folder, { withFileTypes: true })
  const names = entries
    .filter((entry) => !entry.isDirectory() && entry.name.endsWith(ending))
    .map(({ name }) => name)
    .toSorted()
  const name = names.find((one) => one === `${stem}${ending}`) ?? names[0]
  if (name === undefined) return null
  if (names.length > 1 && name !== `${stem}${ending}`) {
    throw new AppError(
      'engine_failed',
      `The program wrote ${names.length} files *${ending} into its folder (${names.slice(0, 3).join(', ')}): let it write one, or name it after the recording.`,
    )
  }
  return path.join(folder, name)
}
