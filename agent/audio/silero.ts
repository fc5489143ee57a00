import { LevelMeter } from './levels.ts'
import { factorOf, Loudness, type QuietSpeech } from './quiet-speech.ts'
import { WavReader } from './wav.ts'
import { loadSherpa, type SherpaVad } from './sherpa.ts'
import { roundToMs, type Span } from '../../shared/span.ts'

const SAMPLE_RATE = 16_000
/** Samples that Silero reads in one step. */
const WINDOW = 512
/** Read from the file at once, about ten seconds: whole steps, and whole frames of `LevelMeter`. */
const BLOCK = WINDOW * 315
/** The detector copies the current speech at every step: a minute of it is slow, ten are slower than real time. */
const MAX_SPEAKING = 30 * SAMPLE_RATE
/** After this time the next weak moment counts as the end of the speech. */
const MAX_SPEECH_SECONDS = 20
const MIN_SILENCE_SECONDS = 0.25
/** Speech that begins this soon after a cut continues it, in samples. */
const SEAM = 0.25 * SAMPLE_RATE

export interface SpeechQuestion {
  wavPath: string
  /** Silero as ONNX. */
  modelFile: string
  /** Whether to look for speech that is much quieter than the rest, too. */
  quiet: boolean
}

/**
 * Finds the speech in a 16 kHz mono WAV file, by Silero through sherpa-onnx. Run it in a child process only.
 * @returns spans in order; those of quiet speech have a gain.
 */
export async function detectSpeech(
  { wavPath, modelFile, quiet }: SpeechQuestion,
  onProgress: (seconds: number) => void,
): Promise<(Span | QuietSpeech)[]> {
  const vad = newVad(modelFile)
  const reader = await WavReader.open(wavPath)
  try {
    const total = reader.header.samples
    const found = new SpanCollector(vad, total)
    const meter = new LevelMeter(total)
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
      if (quiet) meter.push(block)
      read += block.length
      onProgress(Math.min(read, total) / SAMPLE_RATE)
    }
    endOf(vad)
    found.take(false)
    if (!quiet) return found.spans
    const onSound = (): void => onProgress(total / SAMPLE_RATE)
    return await withQuiet(found.spans, meter.levels, reader, modelFile, onSound)
  } finally {
    await reader.close()
  }
}

/** A flush drops the last MIN_SILENCE_SECONDS: that much silence is added first. @returns samples added. */
function endOf(vad: SherpaVad): number {
  let silence = 0
  for (; silence <= MIN_SILENCE_SECONDS * SAMPLE_RATE || isLate(vad, silence); silence += WINDOW) {
    vad.acceptWaveform(new Float32Array(WINDOW))
  }
  if (vad.isDetected()) vad.flush()
  return silence
}

/** Speech is detected with some delay, and ends with its own silence then: a flush would be before its beginning. */
function isLate(vad: SherpaVad, silence: number): boolean {
  return vad.isDetected() && silence <= SAMPLE_RATE
}

/**
 * The speech that was found, and what is found in quiet sounds between it once they are amplified.
 * @param onSound called for each: a sign of life.
 */
async function withQuiet(
  speech: readonly Span[],
  levels: Float32Array,
  reader: WavReader,
  modelFile: string,
  onSound: () => void,
): Promise<(Span | QuietSpeech)[]> {
  const loudness = new Loudness(levels, speech)
  const rated = speech.map((span) => loudness.rate(span))
  const sounds = loudness.quietSounds()
  if (sounds.length === 0) return rated
  const vad = newVad(modelFile)
  let fed = 0
  for (const { start, end, gain } of sounds) {
    const from = Math.round(start * SAMPLE_RATE)
    const samples = await reader.read(from, Math.round(end * SAMPLE_RATE))
    const factor = factorOf(gain, samples)
    const amplified = samples.map((sample) => sample * factor)
    const before = fed
    for (let at = 0; at < amplified.length; at += WINDOW, fed += WINDOW) {
      vad.acceptWaveform(window(amplified, at))
    }
    fed += endOf(vad)
    onSound()
    for (; !vad.isEmpty(); vad.pop()) {
      const { start: first, samples: found } = vad.front(false)
      const at = Math.max(0, first - before)
      const to = Math.min(first - before + found.length, samples.length)
      if (to > at) rated.push({ start: seconds(from + at), end: seconds(from + to), gain })
    }
  }
  return rated.toSorted((a, b) => a.start - b.start)
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
