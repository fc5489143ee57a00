/** The process in which sherpa-onnx looks for speech: a native library that a damaged model can end with it. */
import { answerParent } from './answer-parent.ts'
import { detectSpeech } from './silero.ts'

export interface ToSpeechChild {
  type: 'speech'
  wavPath: string
  modelFile: string
}

answerParent(async (question, progress) => {
  const asked = question as ToSpeechChild
  return await detectSpeech(asked.wavPath, asked.modelFile, progress)
})
