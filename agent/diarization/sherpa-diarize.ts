import { AppError } from '../../shared/errors.ts'
import type { DiarizationQuestion } from './diarization.ts'
import { readWavHeader } from '../audio/wav.ts'
import { askOnce, scriptBeside } from '../process/forked-child.ts'
import { isReadable } from '../audio/sherpa.ts'
import type { ToSpeechChild } from '../sherpa-child.ts'
import type { Turn } from './turns.ts'

export interface DiarizeOptions extends Omit<DiarizationQuestion, 'wavPath'> {
  signal: AbortSignal
  onProgress?: (ratio: number) => void
}

/**
 * Finds the speaker turns in a 16 kHz mono WAV file (`findTurns`), in a child process of its own. Turns are in order of
 * their starts and may overlap; speaker names are arbitrary.
 * @throws {AppError} `model_missing`, `engine_missing` (sherpa-onnx-node is not installed), `engine_failed` (also a
 * damaged model), `invalid_media`; the signal's reason when aborted, with the process gone.
 */
export async function diarize(
  wavPath: string,
  { signal, onProgress, ...models }: DiarizeOptions,
): Promise<Turn[]> {
  signal.throwIfAborted()
  await check(models.segmentation, '--speaker-segmentation')
  await check(models.embedding, '--speaker-embedding')
  const question: ToSpeechChild = { type: 'speakers', wavPath, ...models }
  const script = scriptBeside(import.meta.url, '../sherpa-child')
  const { durationSeconds } = await readWavHeader(wavPath)
  return await askOnce<Turn[]>(script, 'the diarization', question, {
    signal,
    onProgress: (seconds) => onProgress?.(seconds / durationSeconds),
  })
}

async function check(modelFile: string, setting: string): Promise<void> {
  if (await isReadable(modelFile)) return
  throw new AppError(
    'model_missing',
    `The diarization model '${modelFile}' cannot be read: ${setting} must name its file.`,
  )
}
