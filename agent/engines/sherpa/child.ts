/** The process in which sherpa-onnx recognises speech: a damaged model or file may crash the native library. */
import type { Span } from '../../../shared/span.ts'
import { answerParent } from '../../process/answer-parent.ts'
import { MoonshineRecognizer } from '../moonshine/recognizer.ts'
import { ParakeetRecognizer } from '../parakeet/recognizer.ts'
import type { ChunkRecognizer, SherpaModel } from './chunk-recognizer.ts'
import { checkReadable } from './installed.ts'

export type SherpaQuestion =
  | { type: 'load'; model: SherpaModel }
  | { type: 'recognise'; wavPath: string; speech: readonly Span[] }

const RECOGNIZERS = { moonshine: MoonshineRecognizer, parakeet: ParakeetRecognizer }

let recognizer: ChunkRecognizer | null = null

answerParent(async (question, progress) => {
  const asked = question as SherpaQuestion
  if (asked.type === 'load') {
    await checkReadable(Object.values(asked.model.files))
    recognizer = new RECOGNIZERS[asked.model.kind](asked.model)
    return null
  }
  if (recognizer === null) throw new Error('no model was loaded')
  return await recognizer.recognise(asked.wavPath, asked.speech, progress)
})
