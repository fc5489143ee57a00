import type { SherpaResult } from '../../audio/sherpa.ts'
import type { RecognisedSegment } from '../../transcription/recognised-segment.ts'
import { SAMPLE_RATE, type ChunkAudio } from '../sherpa/chunk-audio.ts'
import { ChunkRecognizer, type SherpaModel } from '../sherpa/chunk-recognizer.ts'
import { segmentsOf } from './segments.ts'

/** In seconds. The memory of its attention grows with the square of the length. */
const LIMITS = { mergeGap: 2, maxLength: 40, pad: 0.3 }

export class ParakeetRecognizer extends ChunkRecognizer {
  constructor(model: SherpaModel) {
    const { tokens, ...transducer } = model.files
    super({ transducer, tokens, modelType: 'nemo_transducer' }, model, LIMITS)
  }

  protected override segmentsOf(
    result: SherpaResult,
    { samples, audio }: ChunkAudio,
  ): RecognisedSegment[] {
    const start = audio.start / SAMPLE_RATE
    return segmentsOf(result, { start, end: start + samples.length / SAMPLE_RATE })
  }
}
