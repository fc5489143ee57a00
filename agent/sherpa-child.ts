/** The process in which sherpa-onnx runs: a damaged model may crash the native library. */
import { answerParent } from './process/answer-parent.ts'
import type { DiarizationQuestion } from './diarization/diarization.ts'
import type { SpeechQuestion } from './audio/silero.ts'

export type ToSpeechChild =
  | ({ type: 'speech' } & SpeechQuestion)
  | ({ type: 'speakers' } & DiarizationQuestion)

answerParent(async (question, progress) => {
  const asked = question as ToSpeechChild
  // Loaded by what is asked: each recording starts a process of its own.
  if (asked.type === 'speakers') {
    const { findTurns } = await import('./diarization/diarization.ts')
    const { openSpeakerModels } = await import('./diarization/speaker-models.ts')
    const { segmentation, embedding } = asked
    return await findTurns(asked, () => openSpeakerModels(segmentation, embedding), progress)
  }
  const { detectSpeech } = await import('./audio/silero.ts')
  return await detectSpeech(asked, progress)
})
