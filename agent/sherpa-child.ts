/** The process in which sherpa-onnx runs: a damaged model may crash the native library. */
import { answerParent } from './process/answer-parent.ts'
import { findTurns, type DiarizationQuestion } from './diarization/diarization.ts'
import { detectSpeech } from './audio/silero.ts'

export type ToSpeechChild =
  | { type: 'speech'; wavPath: string; modelFile: string }
  | ({ type: 'speakers' } & DiarizationQuestion)

answerParent(async (question, progress) => {
  const asked = question as ToSpeechChild
  if (asked.type === 'speakers') return await findTurns(asked, progress)
  return await detectSpeech(asked.wavPath, asked.modelFile, progress)
})
