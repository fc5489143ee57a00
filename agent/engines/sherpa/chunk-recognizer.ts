import type { Span } from '../../../shared/span.ts'
import { loadSherpa, type SherpaRecognizer, type SherpaResult } from '../../audio/sherpa.ts'
import { WavReader } from '../../audio/wav.ts'
import type { RecognisedSegment } from '../../transcription/recognised-segment.ts'
import type { Recognised } from '../engine.ts'
import { audioOf, chunksOf, SAMPLE_RATE, type ChunkAudio } from './chunk-audio.ts'
import { chunkLimits, type ChunkLimits } from './chunks.ts'

export interface SherpaModel {
  kind: 'moonshine' | 'parakeet'
  /** Full paths, by the names that sherpa-onnx gives them. */
  files: Readonly<Record<string, string>>
  threads: number
}

export type SherpaAnswer = Pick<Recognised, 'segments' | 'doubt'>

/** Audio that was recognised, in samples. */
export interface Stretch extends Span {
  /** Its text; `null` where it was read in several pieces. */
  text: string | null
}

const MIN_SAMPLES = SAMPLE_RATE / 10

/** Recognises speech in chunks. The native library can end the process: use this in a child only. */
export abstract class ChunkRecognizer {
  readonly #recognizer: SherpaRecognizer
  readonly #limits: ChunkLimits

  /** @param limits in seconds. */
  constructor(modelConfig: object, { threads }: SherpaModel, limits: ChunkLimits) {
    const { OfflineRecognizer } = loadSherpa()
    this.#recognizer = new OfflineRecognizer({
      // Where a model knows the number of its features, this one is not used.
      featConfig: { sampleRate: SAMPLE_RATE, featureDim: 80 },
      modelConfig: { ...modelConfig, numThreads: threads, provider: 'cpu', debug: 0 },
    })
    this.#limits = chunkLimits(limits, SAMPLE_RATE)
  }

  /** Recognises the speech of a 16 kHz mono WAV file, in seconds. Holds less than a minute in memory. */
  async recognise(
    wavPath: string,
    speech: readonly Span[],
    onProgress: (seconds: number) => void,
  ): Promise<SherpaAnswer> {
    const reader = await WavReader.open(wavPath)
    try {
      const { samples: total, durationSeconds } = reader.header
      const segments: RecognisedSegment[] = []
      const stretches: Stretch[] = []
      for (const chunk of chunksOf(speech, total, this.#limits)) {
        const texts: string[] = []
        for await (const one of audioOf(reader, chunk, this.#limits)) {
          const result = this.resultOf(one.samples)
          if (result !== null) segments.push(...this.segmentsOf(result, one))
          texts.push(textOf(result))
          onProgress(Math.min(one.audio.end, total) / SAMPLE_RATE)
        }
        stretches.push({ ...chunk.audio, text: texts.length === 1 ? texts[0]! : null })
      }
      onProgress(durationSeconds)
      return { segments, ...(await this.checked(reader, stretches)) }
    } finally {
      await reader.close()
    }
  }

  protected abstract segmentsOf(result: SherpaResult, audio: ChunkAudio): RecognisedSegment[]

  /** What a look at the same stretches adds to the answer. */
  protected async checked(
    _reader: WavReader,
    _stretches: readonly Stretch[],
  ): Promise<Pick<SherpaAnswer, 'doubt'>> {
    return {}
  }

  /** Null where the audio is too short for a model. */
  protected resultOf(samples: Float32Array): SherpaResult | null {
    if (samples.length < MIN_SAMPLES) return null
    const stream = this.#recognizer.createStream()
    stream.acceptWaveform({ samples, sampleRate: SAMPLE_RATE })
    this.#recognizer.decode(stream)
    return this.#recognizer.getResult(stream)
  }
}

/** Empty where the audio is too short for a model. */
export function textOf(result: SherpaResult | null): string {
  return result?.text.trim() ?? ''
}
