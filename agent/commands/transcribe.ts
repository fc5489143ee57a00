import { addSettings, valuesOf } from '../../shared/settings.ts'
import { LOG } from '../settings/table.ts'
import { CONVERSION } from '../settings/conversion-table.ts'
import { constants } from 'node:fs'
import { access, copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Option, type Command } from 'commander'
import { AppError, isSystemError, messageOf } from '../../shared/errors.ts'
import { FORMS, renderForm, renderOptionsOf, type Form } from '../../shared/forms.ts'
import { languageCode } from '../../shared/languages.ts'
import type { Artifact } from '../transcript/artifacts.ts'
import { wantsPlainOutput, type Flags } from '../settings/config.ts'
import type { Choice } from '../engines/registry.ts'
import { contentTypeOf } from '../media/file-kind.ts'
import { interruptible } from '../signals.ts'
import { readJobOptions, type JobOptions } from '../job-options.ts'
import { openToolchain, type Toolchain } from '../toolchain.ts'
import { mediaSettings } from '../settings/media-settings.ts'
import { openOutput, print, writeOutput, type Output } from '../output.ts'
import { commandReporter } from '../progress/reporter.ts'
import type { Reporter } from '../progress/reporter-kinds.ts'
import { engineOptions } from '../transcription/engine-options.ts'
import { addJobFlags, formFlags, jobOptionsOf } from './job-flags.ts'

const EXAMPLES = `
Examples:
  morag-agent transcribe talk.mp3
  morag-agent transcribe talk.mp4 --output talk.srt
  morag-agent transcribe talk.mp3 --format json | jq .segments
  morag-agent transcribe talk.mp3 --format chunks --chunk-tokens 300
  morag-agent transcribe call.wav --diarize --engine whisper-cpp --model large-v3-turbo
  morag-agent transcribe film.mkv --audio-track de --key-frames ./frames
  morag-agent transcribe talk.mp3 --dry-run --engine faster-whisper
`

export function addTranscribe(cli: Command): void {
  const command = cli
    .command('transcribe')
    .description('transcribe a file on this machine, without a coordinator')
    .argument('<file>', 'audio or video')
    .addOption(formOption())
    .option('--output <file>', 'file or folder to write it to (default: standard output)')
    .addOption(new Option('--type <type>', 'content type of the file').choices(['audio', 'video']))
  addJobFlags(command)
    .option('--key-frames <dir>', 'folder to write key frames to')
    .option('--dry-run', 'print the engine and its command, and run nothing')
  addSettings(command, ...CONVERSION)
  addSettings(command, LOG)
  command.addHelpText('after', EXAMPLES).action(transcribe)
}

export function formOption(): Option {
  const text = 'form of the transcript (default: by the extension of --output, else md)'
  return new Option('--format <format>', text).choices(FORMS)
}

export async function outputOf(file: string, flags: Flags): Promise<Output> {
  const { output, format } = flags as { output?: string; format?: Form }
  return await openOutput(output, format, file)
}

async function transcribe(file: string, flags: Flags): Promise<void> {
  const settings = mediaSettings(flags)
  const { logLevel: level, logFormat: format } = valuesOf(flags, LOG)
  const reporter = commandReporter({
    plain: wantsPlainOutput(),
    level,
    format: format === 'json' ? 'none' : 'text',
  })
  const signal = interruptible()
  const workDir = await mkdtemp(path.join(tmpdir(), 'morag-transcribe-'))
  const filename = path.basename(file)
  const activity = reporter.begin(file, filename)
  try {
    await access(file).catch((error: unknown) => {
      if (isSystemError(error, 'ENOENT', 'ENOTDIR')) throw noFile(file, error)
    })
    const output = await outputOf(file, flags)
    const frames = typeof flags['keyFrames'] === 'string' ? path.resolve(flags['keyFrames']) : null
    if (frames !== null && flags['dryRun'] !== true) await makeFolder(frames)
    const toolchain = await openToolchain(settings, {
      signal,
      report: (level, text) => reporter.event(level, text),
      language: languageToKnow(readJobOptions(jobOptionsOf(flags)).options),
    })
    const { info } = toolchain.choice.engine
    if (!settings.engineSettings.offline) await offerBetter(toolchain, reporter)
    try {
      if (flags['dryRun'] === true) return await print(dryRun(toolchain.choice, flags))
      reporter.event(
        'debug',
        `${info.name} (${info.model}, ${info.device}): ${toolchain.choice.why}`,
      )
      const from = performance.now()
      const converted = await toolchain.pipeline.convert({
        jobId: filename,
        sourcePath: path.resolve(file),
        filename,
        contentType: typeof flags['type'] === 'string' ? flags['type'] : contentTypeOf(file),
        taskOptions: { ...jobOptionsOf(flags), ...(flags['keyFrames'] ? { keyframes: true } : {}) },
        workDir,
        signal,
        report: (progress) => activity.update(progress),
      })
      activity.done(`done in ${((performance.now() - from) / 1000).toFixed(1)} s`)
      for (const warning of warningsOf(converted.metadata)) reporter.event('warn', warning)
      reporter.close()
      // The text first: it matters more than the key frames.
      await writeOutput(
        output,
        renderForm(output.form, converted, renderOptionsOf(formFlags(flags))),
      )
      if (frames !== null) await keep(converted.artifacts, frames)
    } finally {
      await toolchain.close()
    }
  } catch (error) {
    reporter.close()
    if (error instanceof AppError && error.code === 'source_missing') throw noFile(file, error)
    throw error
  } finally {
    await rm(workDir, { recursive: true, force: true })
  }
}

/** Says once what would be better here: when the first models are fetched. */
async function offerBetter(toolchain: Toolchain, reporter: Reporter): Promise<void> {
  const { better } = toolchain.choice
  if (better !== null && (await toolchain.lacksModels())) reporter.event('info', better)
}

/** The one that decides between engines: all know English. */
function languageToKnow({ language, languages }: JobOptions): string | null {
  const other = languages?.find((one) => languageCode(one) !== 'en')
  return language ?? other ?? languages?.[0] ?? null
}

async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true })
    await access(folder, constants.W_OK | constants.X_OK)
  } catch (error) {
    const message = `${folder} cannot be written to (--key-frames): ${messageOf(error)}.`
    throw new AppError('usage', message, { cause: error })
  }
}

async function keep(artifacts: readonly Artifact[], folder: string): Promise<void> {
  for (const { name, file } of artifacts) await copyFile(file, path.join(folder, name))
}

/** The engine, why it was chosen, and the command of its program if it has one (in the folder `WORK`). */
function dryRun({ engine, models, why, better }: Choice, flags: Flags): string {
  const { info } = engine
  const lines = [`${info.name} ${info.version}, ${info.model}, ${info.device}`, why]
  if (better !== null) lines.push(better)
  const { options } = engineOptions(readJobOptions(jobOptionsOf(flags)).options, engine, { models })
  for (const { file, args, env } of engine.plans?.(options, 'WORK') ?? []) {
    const variables = Object.entries(env).map(([name, value]) => `${name}=${quoted(value)}`)
    lines.push([...variables, quoted(file), ...args.map(quoted)].join(' '))
  }
  return `${lines.join('\n')}\n`
}

function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

function warningsOf({ warnings }: Record<string, unknown>): string[] {
  return Array.isArray(warnings) ? warnings.map(String) : []
}

function noFile(file: string, cause: unknown): AppError {
  return new AppError('usage', `File ${file} does not exist.`, { cause })
}
