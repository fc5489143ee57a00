import { rename, rm } from 'node:fs/promises'
import { AppError } from '../../shared/errors.ts'
import type { Span } from '../../shared/span.ts'
import { readWavHeader } from './wav.ts'
import { RATE } from '../../shared/wav-header.ts'
import { writeWav } from './wav-write.ts'

/**
 * Writes spans of `wavPath` (16 kHz, mono, 16 bit, as `decode` writes it) one after the other to `outWav`, which appears
 * once it is complete.
 * @param spans in seconds, rounded to samples; parts outside the recording are left out.
 * @returns how many seconds were written.
 * @throws {AppError} `invalid_media` when it is not such a file; the signal's reason when aborted.
 */
export async function cutWav(
  wavPath: string,
  spans: readonly Span[],
  outWav: string,
  signal: AbortSignal,
): Promise<number> {
  signal.throwIfAborted()
  const { sampleRate, channels, samples, dataOffset } = await readWavHeader(wavPath)
  if (sampleRate !== RATE || channels !== 1) {
    throw new AppError(
      'invalid_media',
      `'${wavPath}' has ${channels} channels at ${sampleRate} Hz, not one at ${RATE} Hz.`,
    )
  }
  const parts = spans
    .map(({ start, end }) => ({ from: sampleAt(start, samples), to: sampleAt(end, samples) }))
    .filter(({ from, to }) => to > from)
    .map(({ from, to }) => ({ from, samples: to - from }))
  const part = `${outWav}.part`
  try {
    await writeWav(part, { file: wavPath, dataOffset }, parts, signal)
    await rename(part, outWav)
  } finally {
    await rm(part, { force: true })
  }
  return parts.reduce((sum, one) => sum + one.samples, 0) / RATE
}

function sampleAt(seconds: number, samples: number): number {
  return Math.min(samples, Math.max(0, Math.round(seconds * RATE)))
}
