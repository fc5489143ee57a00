import { loadSherpa, type SherpaRecognizer } from '../../audio/sherpa.ts'
import type { Span } from '../../../shared/span.ts'
import { WavReader } from '../../audio/wav.ts'
import type { RecognisedSegment } from '../../transcription/recognised-segment.ts'
import { audioOf, chunksOf, SAMPLE_RATE } from '../sherpa/chunk-audio.ts'
import { chunkLimits } from '../sherpa/chunks.ts'
import { segmentsOf } from './segments.ts'

export interface ParakeetModel {
  /** Full paths, as sherpa-onnx's own package of the model has them. */
  files: { encoder: string; decoder: string; joiner: string; tokens: string }
  threads: number
}

const MIN_SAMPLES = SAMPLE_RATE / 10
/** In seconds. The memory of its attention grows with the square of the length. */
const LIMITS = chunkLimits({ mergeGap: 2, maxLength: 40, pad: 0.3 }, SAMPLE_RATE)

/** The native library can end the process: use this in a child only. */
export class ParakeetRecognizer {
  readonly #recognizer: SherpaRecognizer

  constructor({ files, threads }: ParakeetModel) {
    const { tokens, ...transducer } = files
    const { OfflineRecognizer } = loadSherpa()
    this.#recognizer = new OfflineRecognizer({
      // The number of features is in the model.
      featConfig: { sampleRate: SAMPLE_RATE, featureDim: 80 },
      modelConfig: {
        transducer,
        tokens,
        modelType: 'nemo_transducer',
        numThreads: threads,
        provider: 'cpu',
        debug: 0,
      },
    })
  }

  /** Transcribes the speech of a 16 kHz mono WAV file, in seconds. Holds less than a minute in memory. */
  async transcribe(
    wavPath: string,
    speech: readonly Span[],
    onProgress: (seconds: number) => void,
  ): Promise<RecognisedSegment[]> {
    const reader = await WavReader.open(wavPath)
    try {
      const { samples: total, durationSeconds } = reader.header
      const segments: RecognisedSegment[] = []
      for (const chunk of chunksOf(speech, total, LIMITS)) {
        for await (const { samples, audio } of audioOf(reader, chunk, LIMITS)) {
          const from = audio.start / SAMPLE_RATE
          segments.push(...this.#recognise(samples, from))
          onProgress(Math.min(audio.end, total) / SAMPLE_RATE)
        }
      }
      onProgress(durationSeconds)
      return segments
    } finally {
      await reader.close()
    }
  }

  #recognise(samples: Float32Array, from: number): RecognisedSegment[] {
    if (samples.length < MIN_SAMPLES) return []
    const stream = this.#recognizer.createStream()
    stream.acceptWaveform({ samples, sampleRate: SAMPLE_RATE })
    this.#recognizer.decode(stream)
    const span = { start: from, end: from + samples.length / SAMPLE_RATE }
    return segmentsOf(this.#recognizer.getResult(stream), span)
  }
}
