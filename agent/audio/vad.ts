import { AppError } from '../../shared/errors.ts'
import { askOnce, scriptBeside } from '../process/forked-child.ts'
import { isReadable } from './sherpa.ts'
import type { Span } from '../../shared/span.ts'
import type { QuietSpeech } from './quiet-speech.ts'
import type { ToSpeechChild } from '../sherpa-child.ts'

export interface FindSpeechOptions {
  /** Silero v6 as ONNX: `silero_vad_v6.onnx` of the model `silero-vad`. */
  modelFile: string
  signal: AbortSignal
  /** Also look for speech that is much quieter than the rest: its spans have a gain. */
  quiet?: boolean
  /** Seconds of the recording that are done, ascending. */
  onProgress?: (seconds: number) => void
}

/**
 * Finds the speech in a 16 kHz mono WAV file, by Silero in a child process of its own. Holds a minute of the recording in
 * memory. Speech of more than 20 s without a pause comes in several spans that touch.
 * @throws {AppError} `model_missing`, `engine_missing` (sherpa-onnx-node is not installed), `engine_failed` (also a
 * damaged model), `invalid_media`; the signal's reason when aborted, with the process gone.
 */
export async function findSpeech(
  wavPath: string,
  { modelFile, signal, quiet = false, onProgress }: FindSpeechOptions,
): Promise<(Span | QuietSpeech)[]> {
  signal.throwIfAborted()
  if (!(await isReadable(modelFile))) {
    throw new AppError(
      'model_missing',
      `The VAD model '${modelFile}' cannot be read: get it with \`morag-agent models pull silero-vad\`.`,
    )
  }
  const question: ToSpeechChild = { type: 'speech', wavPath, modelFile, quiet }
  const script = scriptBeside(import.meta.url, '../sherpa-child')
  return await askOnce<(Span | QuietSpeech)[]>(script, 'the VAD', question, { signal, onProgress })
}
