/** The process in which sherpa-onnx runs: a damaged model may crash the native library. */
import { answerParent } from './process/answer-parent.ts'
import { findTurns, type DiarizationQuestion } from './diarization/diarization.ts'
import { openSpeakerModels } from './diarization/speaker-models.ts'
import { detectSpeech, type SpeechQuestion } from './audio/silero.ts'

export type ToSpeechChild =
  | ({ type: 'speech' } & SpeechQuestion)
  | ({ type: 'speakers' } & DiarizationQuestion)

answerParent(async (question, progress) => {
  const asked = question as ToSpeechChild
  if (asked.type === 'speakers') {
    const { segmentation, embedding } = asked
    return await findTurns(asked, () => openSpeakerModels(segmentation, embedding), progress)
  }
  return await detectSpeech(asked, progress)
})
