import { open } from 'node:fs/promises'
import path from 'node:path'
import { childEnv } from '../../shared/child-env.ts'
import { fillTemplate, hasPlaceholder } from '../../shared/command-line.ts'
import { runConverter } from '../../shared/converter.ts'
import { AppError, isSystemError } from '../../shared/errors.ts'
import { slotEnv } from '../gpu/slots.ts'
import { dyingWithUs } from '../process/parent-death.ts'
import { findProgram } from '../process/find-program.ts'
import { ratioIn } from '../progress/ratio-in.ts'
import type { SlotDiarizer } from './label-speakers.ts'
import { readRttm } from './rttm.ts'
import type { Turn } from './turns.ts'

const SETTING = '--speaker-command (MORAG_SPEAKER_COMMAND)'
const MOST_BYTES = 64 * 1024 * 1024
/** What a job may ask for. */
const FEWEST = 1
const MOST = 20

export interface SpeakerCommand {
  /** A program and its arguments, with `{wav}`, and `{rttm}`, `{min}`, `{max}` where it needs them. */
  template: readonly string[]
  /** In milliseconds. */
  limitMs: number
}

/**
 * Finds the speaker turns of a recording by any program that writes RTTM: to the file `{rttm}`, or to its standard output
 * where its command has no `{rttm}`. `{min}` and `{max}` are the number of speakers that the job asks for, else 1 and 20.
 * Progress is read from lines of its standard error like `42 %` or `3/10`.
 * @param request `workDir` is removed by the caller.
 * @throws {AppError} `engine_missing`, `usage`, `engine_failed` (also after the limit, or with what is not RTTM),
 * `too_large`; the signal's reason when aborted, with all its processes gone.
 */
export async function turnsByCommand(
  { template, limitMs }: SpeakerCommand,
  request: Parameters<SlotDiarizer>[0],
): Promise<Turn[]> {
  const { wavPath, min, max, workDir, slot, signal } = request
  const [name = '', ...args] = template
  const program = findProgram(name)
  if (program === null) {
    throw new AppError(
      'engine_missing',
      `Program '${name}' was not found: install it, or name another with ${SETTING}.`,
    )
  }
  const rttm = path.join(workDir, 'speakers.rttm')
  const printed = await runConverter({
    program,
    args: fillTemplate(args, {
      wav: wavPath,
      rttm,
      min: String(min ?? FEWEST),
      max: String(max ?? MOST),
    }),
    cwd: workDir,
    // Models of the Hugging Face Hub are found, and fetched, by its own variables.
    env: childEnv({ ...slotEnv(slot), TMPDIR: workDir }, (name) => name.startsWith('HF_')),
    signal,
    setting: SETTING,
    limitMs,
    wrap: dyingWithUs,
    onLine(line) {
      const ratio = ratioIn(line)
      if (ratio !== null) request.onProgress(ratio)
    },
  })
  return readRttm(hasPlaceholder(template, 'rttm') ? await readBounded(rttm) : printed)
}

async function readBounded(file: string): Promise<string> {
  try {
    const handle = await open(file)
    try {
      const { size } = await handle.stat()
      if (size > MOST_BYTES) throw new AppError('too_large', 'The RTTM has more than 64 MiB.')
      return await handle.readFile('utf8')
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error
    throw new AppError('engine_failed', 'The program ended well but wrote no RTTM.')
  }
}
