import { open } from 'node:fs/promises'
import { RATE, SAMPLE_BYTES } from '../../shared/wav-header.ts'
import { factorOf, type QuietSpeech } from './quiet-speech.ts'
import { WavReader } from './wav.ts'

/** The gain rises and falls within so many samples at the edges, so that nothing clicks. */
const RAMP = RATE / 50

/**
 * Amplifies spans of a WAV file (16 kHz, mono, 16 bit) in place.
 * @param offsetSeconds where in the recording the file begins.
 * @throws {AppError} `invalid_media`; the signal's reason when aborted.
 */
export async function amplify(
  wavPath: string,
  spans: readonly QuietSpeech[],
  { offsetSeconds, signal }: { offsetSeconds: number; signal: AbortSignal },
): Promise<void> {
  const reader = await WavReader.open(wavPath)
  const file = await open(wavPath, 'r+')
  try {
    for (const { start, end, gain } of spans) {
      signal.throwIfAborted()
      const from = Math.max(0, Math.round((start - offsetSeconds) * RATE))
      const samples = await reader.read(from, Math.round((end - offsetSeconds) * RATE))
      const factor = factorOf(gain, samples)
      const bytes = Buffer.alloc(samples.length * SAMPLE_BYTES)
      for (const [i, sample] of samples.entries()) {
        const edge = Math.min(1, (i + 1) / RAMP, (samples.length - i) / RAMP)
        const value = Math.round(sample * 32_768 * (1 + (factor - 1) * edge))
        bytes.writeInt16LE(Math.max(-32_768, Math.min(32_767, value)), i * SAMPLE_BYTES)
      }
      await file.write(bytes, 0, bytes.length, reader.header.dataOffset + from * SAMPLE_BYTES)
    }
  } finally {
    await file.close()
    await reader.close()
  }
}
