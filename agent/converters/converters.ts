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
import { ratioIn } from '../progress/ratio-in.ts'
import type { ConvertedFile } from '../work/pipeline.ts'
import { confined } from './confinement.ts'

const SETTING = '--converter (MORAG_CONVERTERS)'

export class Converters {
  readonly lock: Lock
  readonly #settings: ConverterSettings

  private constructor(settings: ConverterSettings, lock: Lock) {
    this.#settings = settings
    this.lock = lock
  }

  /**
   * Checks that all programs are installed, and that the sandbox works.
   * @throws {AppError} `engine_missing` for a missing program, `usage` when the configured sandbox does not work.
   */
  static async open(
    settings: ConverterSettings,
    { sandbox, signal }: { sandbox: SandboxKind; signal: AbortSignal },
  ): Promise<Converters> {
    const programs = Object.values(settings.commands).map(([program = '']) => located(program))
    if (programs.length === 0) return new Converters(settings, { sandbox: null })
    // Node is installed for certain, and exits at once.
    const probe = { file: process.execPath, args: ['--version'] }
    return new Converters(settings, await findSandbox(sandbox, [probe], signal))
  }

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
   * Converts a file, as soon as there is a slot.
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
        // Other failures may be the file's fault, and must not pause a slot of the speech engine.
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
  const message = `Program '${printable(program)}' was not found: install it, or name another with ${SETTING}.`
  throw new AppError('engine_missing', message)
}
