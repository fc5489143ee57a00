/**
 * The process in which Moonshine runs: a native library that a damaged model or file can end with it, and only it. Its
 * parent talks to it by IPC (`ToChild`, `FromChild`); when the parent is gone, so is this.
 */
import { access, constants } from 'node:fs/promises'
import { AppError, messageOf, type ErrorCode } from '../../shared/errors.ts'
import type { Segment } from '../../shared/transcript.ts'
import type { Span } from '../speech/span.ts'
import { MoonshineRecognizer, type MoonshineFiles } from './moonshine-recognizer.ts'

export type ToChild =
  | { type: 'load'; files: MoonshineFiles }
  | { type: 'transcribe'; wavPath: string; speech: readonly Span[] }

export type FromChild =
  | { type: 'ready' }
  | { type: 'progress'; seconds: number }
  | { type: 'done'; segments: Segment[] }
  | { type: 'failed'; code: ErrorCode; message: string }

let moonshine: MoonshineRecognizer | null = null

/** The library ends the process over a file that is not there. */
async function checkFiles(files: MoonshineFiles): Promise<void> {
  for (const file of Object.values(files) as string[]) {
    await access(file, constants.R_OK).catch((error: unknown) => {
      throw new AppError('model_missing', `its file '${file}' cannot be read`, { cause: error })
    })
  }
}

function send(message: FromChild): void {
  process.send?.(message)
}

async function answer(message: ToChild): Promise<void> {
  try {
    if (message.type === 'load') {
      await checkFiles(message.files)
      moonshine = new MoonshineRecognizer(message.files)
      send({ type: 'ready' })
      return
    }
    if (moonshine === null) throw new Error('no model was loaded')
    const progress = (at: number): void => send({ type: 'progress', seconds: at })
    const { wavPath, speech } = message
    send({ type: 'done', segments: await moonshine.transcribe(wavPath, speech, progress) })
  } catch (error) {
    const code = error instanceof AppError ? error.code : 'engine_failed'
    send({ type: 'failed', code, message: messageOf(error) })
  }
}

process.on('message', (message) => void answer(message as ToChild))
process.on('disconnect', () => process.exit())
if (!process.connected) process.exit()
