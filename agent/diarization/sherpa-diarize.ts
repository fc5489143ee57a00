import { AppError } from '../../shared/errors.ts'
import { SHIFT, type ComputedWindow, type DiarizationQuestion } from './diarization.ts'
import { KEPT_WINDOWS, VoicesKeeper, type VoicesOfAttempts } from './kept-voices.ts'
import { readWavHeader } from '../audio/wav.ts'
import { digestOf } from '../models/digest.ts'
import { askOnce, scriptBeside } from '../process/forked-child.ts'
import { isReadable } from '../audio/sherpa.ts'
import type { ToSpeechChild } from '../sherpa-child.ts'
import type { Turn } from './turns.ts'

export interface DiarizeOptions extends Omit<DiarizationQuestion, 'wavPath' | 'done'> {
  signal: AbortSignal
  onProgress?: (ratio: number) => void
  /** Of recordings that are long enough for it. */
  voices?: VoicesOfAttempts | undefined
}

/** How windows are read: another number for each change of what `findTurns` takes from them. */
const RULES = 1

/**
 * Finds the speaker turns in a 16 kHz mono WAV file (`findTurns`), in a child process of its own. Turns are in order of
 * their starts and may overlap; speaker names are arbitrary.
 * @throws {AppError} `model_missing`, `engine_missing` (sherpa-onnx-node is not installed), `engine_failed` (also a
 * damaged model), `invalid_media`; the signal's reason when aborted, with the process gone.
 */
export async function diarize(
  wavPath: string,
  { signal, onProgress, voices, ...models }: DiarizeOptions,
): Promise<Turn[]> {
  signal.throwIfAborted()
  await check(models.segmentation, '--speaker-segmentation')
  await check(models.embedding, '--speaker-embedding')
  const { durationSeconds } = await readWavHeader(wavPath)
  const isLong = durationSeconds > KEPT_WINDOWS * SHIFT
  const keeper =
    voices !== undefined && isLong ? new VoicesKeeper(await keyOf(models, signal), voices) : null
  const done = keeper?.windows ?? []
  const question: ToSpeechChild = { type: 'speakers', wavPath, ...models, done }
  const script = scriptBeside(import.meta.url, '../sherpa-child')
  const turns = await askOnce<Turn[]>(script, 'the diarization', question, {
    signal,
    onProgress(seconds, computed) {
      if (computed !== undefined) {
        const { index, window } = computed as ComputedWindow
        keeper?.add(index, window)
      }
      onProgress?.(seconds / durationSeconds)
    },
  })
  keeper?.save()
  return turns
}

async function keyOf(
  { segmentation, embedding }: Pick<DiarizationQuestion, 'segmentation' | 'embedding'>,
  signal: AbortSignal,
): Promise<string> {
  const digests = [segmentation, embedding].map((file) => digestOf(file, 'sha256', signal))
  return [RULES, ...(await Promise.all(digests))].join(' ')
}

async function check(modelFile: string, setting: string): Promise<void> {
  if (await isReadable(modelFile)) return
  throw new AppError(
    'model_missing',
    `The diarization model '${modelFile}' cannot be read: ${setting} must name its file.`,
  )
}
