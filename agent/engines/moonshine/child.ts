/** The process in which Moonshine runs: a damaged model or file may crash the native library. */
import { access, constants } from 'node:fs/promises'
import { AppError } from '../../../shared/errors.ts'
import { answerParent } from '../../process/answer-parent.ts'
import type { Span } from '../../audio/span.ts'
import { MoonshineRecognizer, type MoonshineFiles } from './recognizer.ts'

export type MoonshineQuestion =
  | { type: 'load'; files: MoonshineFiles }
  | { type: 'transcribe' | 'doubt'; wavPath: string; speech: readonly Span[] }

let moonshine: MoonshineRecognizer | null = null

/** The library ends the process when a file is missing. */
async function checkFiles(files: MoonshineFiles): Promise<void> {
  for (const file of Object.values(files) as string[]) {
    await access(file, constants.R_OK).catch((error: unknown) => {
      throw new AppError('model_missing', `its file '${file}' cannot be read`, { cause: error })
    })
  }
}

answerParent(async (question, progress) => {
  const asked = question as MoonshineQuestion
  if (asked.type === 'load') {
    await checkFiles(asked.files)
    moonshine = new MoonshineRecognizer(asked.files)
    return null
  }
  if (moonshine === null) throw new Error('no model was loaded')
  if (asked.type === 'doubt') return await moonshine.doubt(asked.wavPath, asked.speech)
  return await moonshine.transcribe(asked.wavPath, asked.speech, progress)
})
