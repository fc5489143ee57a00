/** The process in which Parakeet runs: a damaged model or file may crash the native library. */
import { answerParent } from '../../process/answer-parent.ts'
import type { Span } from '../../audio/span.ts'
import { checkReadable } from '../sherpa/installed.ts'
import { ParakeetRecognizer, type ParakeetFiles } from './recognizer.ts'

export type ParakeetQuestion =
  | { type: 'load'; files: ParakeetFiles; threads: number }
  | { type: 'transcribe'; wavPath: string; speech: readonly Span[] }

let parakeet: ParakeetRecognizer | null = null

answerParent(async (question, progress) => {
  const asked = question as ParakeetQuestion
  if (asked.type === 'load') {
    await checkReadable(Object.values(asked.files))
    parakeet = new ParakeetRecognizer(asked.files, asked.threads)
    return null
  }
  if (parakeet === null) throw new Error('no model was loaded')
  return await parakeet.transcribe(asked.wavPath, asked.speech, progress)
})
