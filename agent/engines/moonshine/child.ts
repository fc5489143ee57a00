/** The process in which Moonshine runs: a damaged model or file may crash the native library. */
import { answerParent } from '../../process/answer-parent.ts'
import type { Span } from '../../../shared/span.ts'
import { checkReadable } from '../sherpa/installed.ts'
import type { RecognizerQuestion } from '../sherpa/recognizer-process.ts'
import { MoonshineRecognizer, type MoonshineFiles } from './recognizer.ts'

export type MoonshineQuestion =
  | RecognizerQuestion<MoonshineFiles>
  | { type: 'doubt'; wavPath: string; speech: readonly Span[] }

let moonshine: MoonshineRecognizer | null = null

answerParent(async (question, progress) => {
  const asked = question as MoonshineQuestion
  if (asked.type === 'load') {
    await checkReadable(Object.values(asked.model))
    moonshine = new MoonshineRecognizer(asked.model)
    return null
  }
  if (moonshine === null) throw new Error('no model was loaded')
  if (asked.type === 'doubt') return await moonshine.doubt(asked.wavPath, asked.speech)
  return await moonshine.transcribe(asked.wavPath, asked.speech, progress)
})
