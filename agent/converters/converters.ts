import { mkdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { childEnv } from '../../shared/child-env.ts'
import { fillTemplate } from '../../shared/command-line.ts'
import { convertedMetadata, runConverter } from '../../shared/converter.ts'
import { AppError } from '../../shared/errors.ts'
import { printable } from '../../shared/printable.ts'
import type { ConverterSettings } from '../settings/converter-settings.ts'
import type { ConvertInput } from '../transcription/conversion.ts'
import { findProgram } from '../process/find-program.ts'
import { slotEnv, type Slot, type Slots } from '../gpu/slots.ts'
import { unusedOptions } from '../job-options.ts'
import { findSandbox, type Lock, type SandboxKind } from '../media/sandbox.ts'
import { forwardOnly, overall } from '../progress/progress.ts'
import { expectQuiet } from '../progress/expected-silence.ts'
import type { ConvertedFile } from '../work/pipeline.ts'
import { ratioIn } from './line-progress.ts'
import { confined } from './confinement.ts'

const SETTING = '--converter (MORAG_CONVERTERS)'

/** Programs of others that make Markdown of files, by content type. */
export class Converters {
  /** What they are locked into. */
  readonly lock: Lock
  readonly #settings: ConverterSettings

  private constructor(settings: ConverterSettings, lock: Lock) {
    this.#settings = settings
    this.lock = lock
  }

  /**
   * Looks whether all of them are here, and whether they can be locked in.
   * @throws {AppError} `engine_missing` where one is not, `usage` where the sandbox that is asked for does not work.
   */
  static async open(
    settings: ConverterSettings,
    { sandbox, signal }: { sandbox: SandboxKind; signal: AbortSignal },
  ): Promise<Converters> {
    const programs = Object.values(settings.commands).map(([program = '']) => located(program))
    if (programs.length === 0) return new Converters(settings, { sandbox: null })
    // Ours is the one program that is known to be here and to end at once.
    const probe = { file: process.execPath, args: ['--version'] }
    return new Converters(settings, await findSandbox(sandbox, [probe], signal))
  }

  /** Each content type, and the program that serves it, by its name. */
  get programs(): { contentType: string; program: string }[] {
    return Object.entries(this.#settings.commands).map(([contentType, [program = '']]) => ({
      contentType,
      program: nameOf(program),
    }))
  }

  has(contentType: string): boolean {
    return Object.hasOwn(this.#settings.commands, contentType)
  }

  /**
   * The text of a file whose content type one of them serves, as soon as there is a slot for it.
   * @throws {AppError} as {@link runConverter}; the signal's reason when aborted.
   */
  async convert(input: ConvertInput, slots: Slots): Promise<ConvertedFile> {
    const { signal, jobId } = input
    const report = forwardOnly(input.report)
    report({ stage: 'waiting', ratio: overall('waiting', 0) })
    return await slots.use(signal, async (slot) => {
      try {
        return await this.#run({ ...input, report }, slot)
      } catch (error) {
        // All else may be the file's doing, and what recognises speech here has no part in it.
        const isMissing = error instanceof AppError && error.code === 'engine_missing'
        if (isMissing) slots.note(slot, jobId, error)
        throw error
      }
    })
  }

  async #run(input: ConvertInput, slot: Slot): Promise<ConvertedFile> {
    const { sourcePath, workDir, signal, report, contentType, taskOptions } = input
    const { commands, timeoutMs: limitMs } = this.#settings
    const [named = '', ...template] = commands[contentType] ?? []
    const program = located(named)
    const cwd = path.join(workDir, 'converter')
    await mkdir(cwd, { recursive: true, mode: 0o700 })
    const { sandbox } = this.lock
    const args = fillTemplate(template, { input: sourcePath })
    const confinement = { sandbox, input: sourcePath, cwd, limitMs }
    const command = await confined({ file: program, args }, confinement)
    // Its caches go where it may write.
    const home: Record<string, string> = sandbox === null ? {} : { HOME: cwd }
    report({ stage: 'converting', ratio: overall('converting', 0) })
    const quiet = expectQuiet(limitMs)
    try {
      const content = await runConverter({
        program,
        args,
        cwd,
        env: childEnv({ ...slotEnv(slot), TMPDIR: cwd, ...home }),
        signal,
        setting: SETTING,
        limitMs,
        wrap: () => command,
        onLine(line) {
          const ratio = ratioIn(line)
          if (ratio !== null) report({ stage: 'converting', ratio: overall('converting', ratio) })
        },
      })
      const name = nameOf(named)
      const empty =
        content.trim() === '' ? [`${name} found no text in it: the result is empty.`] : []
      const source = {
        filename: printable(input.filename),
        sizeBytes: (await stat(sourcePath)).size,
        sha256: input.sha256 ?? null,
      }
      const warnings = [...unusedOptions(taskOptions), ...empty]
      return {
        content,
        metadata: { ...convertedMetadata(source, name), warnings },
        artifacts: [],
      }
    } finally {
      quiet.end()
    }
  }
}

function nameOf(program: string): string {
  return path.basename(program)
}

function located(program: string): string {
  const found = findProgram(program)
  if (found !== null) return found
  const message = `There is no program '${printable(program)}' here: install it, or name another with ${SETTING}.`
  throw new AppError('engine_missing', message)
}
