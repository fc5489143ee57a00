import { AppError } from '../../shared/errors.ts'
import { askOnce, scriptBeside } from '../process/forked-child.ts'
import { isReadable } from './model-file.ts'
import type { Span } from './span.ts'
import type { ToSpeechChild } from '../sherpa-child.ts'

export interface FindSpeechOptions {
  /** Silero v6 as ONNX: `silero_vad_v6.onnx` of the model `silero-vad`. */
  modelFile: string
  signal: AbortSignal
  /** Seconds of the recording that were looked at; never going back. */
  onProgress?: (seconds: number) => void
}

/**
 * Where in a 16 kHz mono WAV file somebody speaks, by Silero in a process of its own that ends with the call. Holds a
 * minute of the recording in memory, however long it is. Speech that goes on for longer than 20 s without a pause comes
 * in several spans that touch.
 * @throws {AppError} `model_missing`, `engine_missing` (sherpa-onnx-node is not installed), `engine_failed` (also a
 * damaged model), `invalid_media`; the signal's reason when aborted, with the process gone.
 */
export async function findSpeech(
  wavPath: string,
  { modelFile, signal, onProgress }: FindSpeechOptions,
): Promise<Span[]> {
  signal.throwIfAborted()
  if (!(await isReadable(modelFile))) {
    throw new AppError(
      'model_missing',
      `The voice detector's model '${modelFile}' cannot be read: get it with \`morag-agent models pull silero-vad\`.`,
    )
  }
  const question: ToSpeechChild = { type: 'speech', wavPath, modelFile }
  const script = scriptBeside(import.meta.url, '../sherpa-child')
  return await askOnce<Span[]>(script, 'the voice detector', question, { signal, onProgress })
}
