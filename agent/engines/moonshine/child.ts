/** The process in which Moonshine runs: a damaged model or file may crash the native library. */
import { answerParent } from '../../process/answer-parent.ts'
import type { Span } from '../../audio/span.ts'
import { checkReadable } from '../sherpa/installed.ts'
import { MoonshineRecognizer, type MoonshineFiles } from './recognizer.ts'

export type MoonshineQuestion =
  | { type: 'load'; files: MoonshineFiles }
  | { type: 'transcribe' | 'doubt'; wavPath: string; speech: readonly Span[] }

let moonshine: MoonshineRecognizer | null = null

answerParent(async (question, progress) => {
  const asked = question as MoonshineQuestion
  if (asked.type === 'load') {
    await checkReadable(Object.values(asked.files))
    moonshine = new MoonshineRecognizer(asked.files)
    return null
  }
  if (moonshine === null) throw new Error('no model was loaded')
  if (asked.type === 'doubt') return await moonshine.doubt(asked.wavPath, asked.speech)
  return await moonshine.transcribe(asked.wavPath, asked.speech, progress)
})
