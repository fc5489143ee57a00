import { WavReader } from './wav.ts'
import { loadSherpa, type SherpaVad } from './sherpa.ts'
import { roundToMs, type Span } from '../../shared/span.ts'

const SAMPLE_RATE = 16_000
/** Samples that Silero reads in one step. */
const WINDOW = 512
/** Read from the file at once: about ten seconds. */
const BLOCK = WINDOW * 313
/** The detector copies the current speech at every step: a minute of it is slow, ten are slower than real time. */
const MAX_SPEAKING = 30 * SAMPLE_RATE
/** After this time the next weak moment counts as the end of the speech. */
const MAX_SPEECH_SECONDS = 20
const MIN_SILENCE_SECONDS = 0.25
/** Speech that begins this soon after a cut continues it, in samples. */
const SEAM = 0.25 * SAMPLE_RATE

/** Finds the speech in a 16 kHz mono WAV file, by Silero through sherpa-onnx. Run it in a child process only. */
export async function detectSpeech(
  wavPath: string,
  modelFile: string,
  onProgress: (seconds: number) => void,
): Promise<Span[]> {
  const vad = newVad(modelFile)
  const reader = await WavReader.open(wavPath)
  try {
    const total = reader.header.samples
    const found = new SpanCollector(vad, total)
    let read = 0
    let speaking = 0
    for await (const block of reader.blocks(BLOCK)) {
      for (let at = 0; at < block.length; at += WINDOW) {
        vad.acceptWaveform(window(block, at))
        speaking = vad.isDetected() ? speaking + WINDOW : 0
        const cut = speaking >= MAX_SPEAKING
        if (cut) {
          vad.flush()
          speaking = 0
        }
        found.take(cut)
      }
      read += block.length
      onProgress(Math.min(read, total) / SAMPLE_RATE)
    }
    // A flush drops the last MIN_SILENCE_SECONDS: that much silence is added first.
    for (let silence = 0; silence <= MIN_SILENCE_SECONDS * SAMPLE_RATE; silence += WINDOW) {
      vad.acceptWaveform(new Float32Array(WINDOW))
    }
    vad.flush()
    found.take(false)
    return found.spans
  } finally {
    await reader.close()
  }
}

/** Collects the spans of the detector, in seconds. */
class SpanCollector {
  readonly spans: Span[] = []
  readonly #vad: SherpaVad
  readonly #total: number
  /** Where the last span ended, in samples, and whether it was cut for its length. */
  #end = 0
  #cut = false

  constructor(vad: SherpaVad, total: number) {
    this.#vad = vad
    this.#total = total
  }

  take(cut: boolean): void {
    for (; !this.#vad.isEmpty(); this.#vad.pop()) {
      const { start: from, samples } = this.#vad.front(false)
      const end = Math.min(from + samples.length, this.#total)
      const continues = this.#cut && from - this.#end <= SEAM
      const start = continues ? this.#end : Math.max(from, this.#end)
      this.#cut = cut || samples.length >= MAX_SPEECH_SECONDS * SAMPLE_RATE
      if (end <= start) continue
      this.#end = end
      this.spans.push({ start: seconds(start), end: seconds(end) })
    }
  }
}

function newVad(model: string): SherpaVad {
  const { Vad } = loadSherpa()
  const sileroVad = {
    model,
    threshold: 0.5,
    minSilenceDuration: MIN_SILENCE_SECONDS,
    minSpeechDuration: 0.25,
    windowSize: WINDOW,
    maxSpeechDuration: MAX_SPEECH_SECONDS,
  }
  return new Vad({ sileroVad, sampleRate: SAMPLE_RATE, numThreads: 1, debug: 0 }, 60)
}

/** The samples of one step, padded with silence. */
function window(block: Float32Array, at: number): Float32Array {
  const samples = block.subarray(at, at + WINDOW)
  if (samples.length === WINDOW) return samples
  const padded = new Float32Array(WINDOW)
  padded.set(samples)
  return padded
}

function seconds(samples: number): number {
  return roundToMs(samples / SAMPLE_RATE)
}
