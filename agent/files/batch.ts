import { AppError, EXIT, messageOf } from '../../shared/errors.ts'
import type { Form } from '../../shared/forms.ts'
import { print, writeOutput } from '../output.ts'
import type { Reporter } from '../progress/reporter-kinds.ts'
import type { MediaFile } from './media-files.ts'
import { areThere, type OutputFolder } from './output-folder.ts'
import type { Transcriber } from './transcriber.ts'

export interface BatchOptions {
  transcriber: Transcriber
  outputs: OutputFolder
  reporter: Reporter
  signal: AbortSignal
  skipExisting: boolean
  /** Prints a line of JSON for each file. */
  json: boolean
}

export type FileOutcome =
  | { status: 'done' | 'skipped'; outputs: string[]; warnings: readonly string[] }
  | { status: 'failed'; error: unknown }

/**
 * Transcribes files, several at a time, and says how it went: of each, and of all. The exit code is 1 if any failed.
 * @throws the signal's reason when aborted.
 */
export async function runBatch(files: readonly MediaFile[], options: BatchOptions): Promise<void> {
  const { transcriber, reporter, signal } = options
  const counts = { done: 0, skipped: 0, failed: 0 }
  const queue = files.values()
  const work = async (): Promise<void> => {
    // Shared: each takes the next that none has taken.
    for (const file of queue) {
      const { status } = await transcribeFile(file, options)
      counts[status] += 1
    }
  }
  await Promise.all(Array.from({ length: Math.min(transcriber.atOnce, files.length) }, work))
  signal.throwIfAborted()
  const { done, skipped, failed } = counts
  const of = files.length === 1 ? 'file' : 'files'
  reporter.event(
    failed > 0 ? 'error' : 'info',
    `${files.length} ${of}: ${done} done, ${skipped} skipped, ${failed} failed`,
    { files: files.length, ...counts },
  )
  if (failed > 0) process.exitCode = EXIT.failed
}

/** Transcribes a file into all its outputs. @throws the signal's reason when aborted. */
export async function transcribeFile(file: MediaFile, options: BatchOptions): Promise<FileOutcome> {
  const from = performance.now()
  const outcome = await outcomeOf(file, options)
  options.signal.throwIfAborted()
  if (options.json) {
    const seconds = Math.round(performance.now() - from) / 1000
    const { status } = outcome
    const about =
      outcome.status === 'failed'
        ? { error: messageOf(outcome.error), error_code: codeOf(outcome.error) }
        : { outputs: outcome.outputs, warnings: outcome.warnings }
    await print(`${JSON.stringify({ file: file.file, status, seconds, ...about })}\n`)
  }
  return outcome
}

async function outcomeOf(
  file: MediaFile,
  { transcriber, outputs, reporter, signal, skipExisting }: BatchOptions,
): Promise<FileOutcome> {
  signal.throwIfAborted()
  const activity = reporter.begin(file.file, file.name)
  try {
    const targets = await outputs.outputsOf(file)
    const names = targets.map((target) => target.file)
    if (skipExisting && (await areThere(targets))) {
      activity.done('skipped: its transcript is there')
      return { status: 'skipped', outputs: names, warnings: [] }
    }
    await outputs.prepare(targets)
    const from = performance.now()
    const forms: Form[] = targets.map(({ form }) => form)
    const { texts, warnings } = await transcriber.transcribe(file.file, forms, { activity, signal })
    for (const [at, target] of targets.entries()) await writeOutput(target, texts[at]!)
    activity.done(
      `done in ${((performance.now() - from) / 1000).toFixed(1)} s: ${names.join(', ')}`,
    )
    for (const warning of warnings) reporter.event('warn', `${file.name}: ${warning}`)
    return { status: 'done', outputs: names, warnings }
  } catch (error) {
    if (signal.aborted) activity.stopped(messageOf(error))
    else activity.failed(messageOf(error))
    return { status: 'failed', error }
  }
}

function codeOf(error: unknown): string {
  return error instanceof AppError ? error.code : 'internal'
}
