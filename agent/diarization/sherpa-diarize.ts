import { AppError } from '../../shared/errors.ts'
import type { DiarizationQuestion } from './diarization.ts'
import { IDLE_MS } from '../process/idle-timeout.ts'
import { readWavHeader } from '../audio/wav.ts'
import { askOnce, scriptBeside } from '../process/forked-child.ts'
import { isReadable } from '../audio/sherpa.ts'
import type { ToSpeechChild } from '../sherpa-child.ts'
import type { Turn } from './turns.ts'

/** On a small processor, in seconds of work per second of audio. */
const SLOWEST = 3

export interface DiarizeOptions extends Omit<DiarizationQuestion, 'wavPath'> {
  signal: AbortSignal
}

/**
 * Finds the speaker turns in a 16 kHz mono WAV file, by sherpa-onnx's offline diarization in a child process of its own.
 * Turns are in order of their starts and may overlap; speaker names are arbitrary. The library reports no progress.
 * @throws {AppError} `model_missing`, `engine_missing` (sherpa-onnx-node is not installed), `engine_failed` (also a
 * damaged model), `invalid_media`; the signal's reason when aborted, with the process gone.
 */
export async function diarize(
  wavPath: string,
  { signal, ...models }: DiarizeOptions,
): Promise<Turn[]> {
  signal.throwIfAborted()
  await check(models.segmentation, '--speaker-segmentation')
  await check(models.embedding, '--speaker-embedding')
  const question: ToSpeechChild = { type: 'speakers', wavPath, ...models }
  const script = scriptBeside(import.meta.url, '../sherpa-child')
  const { durationSeconds } = await readWavHeader(wavPath)
  const idleMs = IDLE_MS + durationSeconds * SLOWEST * 1000
  return await askOnce<Turn[]>(script, 'the diarization', question, { signal, idleMs })
}

async function check(modelFile: string, setting: string): Promise<void> {
  if (await isReadable(modelFile)) return
  throw new AppError(
    'model_missing',
    `The diarization model '${modelFile}' cannot be read: ${setting} must name its file.`,
  )
}
