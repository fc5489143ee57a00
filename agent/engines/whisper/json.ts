import type { Recognised } from '../engine.ts'
import { readOutput } from '../python/output.ts'
import { readTranscription } from '../whisper-cpp/cli-program.ts'

/**
 * JSON of programs around Whisper: OpenAI's form (`segments`, seconds) or whisper.cpp's (`transcription`,
 * milliseconds).
 * @throws {AppError} `engine_failed` when it is cut off or something else.
 */
export function readWhisperJson(
  output: Buffer,
  engine: string,
  durationSeconds: number,
): Omit<Recognised, 'warnings'> {
  // In a text the quotes would be escaped.
  return /"transcription"\s*:/.test(output.toString())
    ? readTranscription(output, durationSeconds)
    : readOutput(output, engine, durationSeconds)
}
