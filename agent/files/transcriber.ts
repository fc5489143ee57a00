import type { Form } from '../../shared/forms.ts'
import type { Activity } from '../progress/reporter-kinds.ts'

export interface Transcription {
  /** The transcript in each form that was asked for. */
  texts: readonly string[]
  warnings: readonly string[]
}

/** Those of a conversion's metadata. */
export function warningsOf(metadata: unknown): string[] {
  const { warnings } = Object(metadata) as { warnings?: unknown }
  return Array.isArray(warnings) ? warnings.map(String) : []
}

/** Makes transcripts of files: on this machine, or by a coordinator. */
export interface Transcriber {
  /** How many files at a time. */
  readonly atOnce: number
  /** @throws {AppError} why there is no transcript; the signal's reason when aborted. */
  transcribe(
    file: string,
    forms: readonly Form[],
    context: { activity: Activity; signal: AbortSignal },
  ): Promise<Transcription>
  close(): Promise<void>
}
