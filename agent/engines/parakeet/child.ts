/** The process in which Parakeet runs: a damaged model or file may crash the native library. */
import { answerParent } from '../../process/answer-parent.ts'
import { checkReadable } from '../sherpa/installed.ts'
import type { RecognizerQuestion } from '../sherpa/recognizer-process.ts'
import { ParakeetRecognizer, type ParakeetModel } from './recognizer.ts'

let parakeet: ParakeetRecognizer | null = null

answerParent(async (question, progress) => {
  const asked = question as RecognizerQuestion<ParakeetModel>
  if (asked.type === 'load') {
    await checkReadable(Object.values(asked.model.files))
    parakeet = new ParakeetRecognizer(asked.model)
    return null
  }
  if (parakeet === null) throw new Error('no model was loaded')
  return await parakeet.transcribe(asked.wavPath, asked.speech, progress)
})
