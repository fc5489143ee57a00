import { addSettings, valuesOf } from '../../shared/settings.ts'
import { LOG } from '../settings/table.ts'
import { CONVERSION } from '../settings/conversion-table.ts'
import { constants } from 'node:fs'
import { access, copyFile, mkdir } from 'node:fs/promises'
import path from 'node:path'
import { Option, type Command } from 'commander'
import { AppError, messageOf } from '../../shared/errors.ts'
import { renderForm, renderOptionsOf } from '../../shared/forms.ts'
import { languageCode } from '../../shared/languages.ts'
import type { Artifact } from '../transcript/artifacts.ts'
import { wantsPlainOutput, type Flags } from '../settings/config.ts'
import type { Choice } from '../engines/registry.ts'
import { interruptible } from '../signals.ts'
import { readJobOptions, type JobOptions } from '../job-options.ts'
import { openToolchain, type Toolchain } from '../toolchain.ts'
import { mediaSettings } from '../settings/media-settings.ts'
import { print, writeOutput } from '../output.ts'
import { commandReporter } from '../progress/reporter.ts'
import type { Reporter } from '../progress/reporter-kinds.ts'
import { engineOptions } from '../transcription/engine-options.ts'
import { runBatch } from '../files/batch.ts'
import { LocalTranscriber, type LocalOptions } from '../files/local-transcriber.ts'
import { checkThere } from '../files/media-files.ts'
import { Spool } from '../files/spool.ts'
import { warningsOf } from '../files/transcriber.ts'
import { addJobFlags, formFlags, jobOptionsOf } from './job-flags.ts'
import { addBatchFlags, batchOf, formOption, isBatch, outputOf } from './output-flags.ts'

const EXAMPLES = `
Examples:
  morag-agent transcribe talk.mp3
  morag-agent transcribe talk.mp4 --output talk.srt
  morag-agent transcribe talk.mp3 --format json | jq .segments
  morag-agent transcribe talk.mp3 --format chunks --chunk-tokens 300
  morag-agent transcribe call.wav --diarize --engine whisper-cpp --model large-v3-turbo
  morag-agent transcribe film.mkv --audio-track de --key-frames ./frames
  morag-agent transcribe *.mp3 --output-dir transcripts --format srt,md --skip-existing
  ffmpeg -i rtsp://… -t 60 -f wav - | morag-agent transcribe -
  morag-agent transcribe talk.mp3 --dry-run --engine faster-whisper
`

export function addTranscribe(cli: Command): void {
  const command = cli
    .command('transcribe')
    .description('transcribe a file on this machine, without a coordinator')
    .argument('<files...>', 'audio or video, or folders with some; - for standard input')
    .addOption(formOption())
    .option('--output <file>', 'file or folder to write it to (default: standard output)')
    .addOption(new Option('--type <type>', 'content type of the file').choices(['audio', 'video']))
  addBatchFlags(command)
  addJobFlags(command)
    .option('--key-frames <dir>', 'folder to write key frames to')
    .option('--dry-run', 'print the engine and its command, and run nothing')
  addSettings(command, ...CONVERSION)
  addSettings(command, LOG)
  command.addHelpText('after', EXAMPLES).action(transcribe)
}

async function transcribe(given: string[], flags: Flags): Promise<void> {
  const { logLevel: level, logFormat: format } = valuesOf(flags, LOG)
  const json = flags['json'] === true
  const reporter = await commandReporter({
    plain: wantsPlainOutput(),
    level,
    format: format === 'json' || json ? 'none' : 'text',
  })
  const signal = interruptible()
  const spool = await Spool.of(given, signal)
  try {
    const files = spool.files
    if (await isBatch(files, flags)) {
      const options = { ...(await batchOf(files, flags, reporter)), json }
      const transcriber = await openTranscriber(flags, reporter, signal)
      try {
        await runBatch(options.files, { ...options, transcriber, reporter, signal })
      } finally {
        await transcriber.close()
      }
    } else await transcribeOne(files[0]!, flags, reporter, signal)
  } finally {
    reporter.close()
    await spool.close()
  }
}

async function transcribeOne(
  file: string,
  flags: Flags,
  reporter: Reporter,
  signal: AbortSignal,
): Promise<void> {
  const activity = reporter.begin(file, path.basename(file))
  await checkThere(file)
  const output = await outputOf(file, flags)
  const frames = typeof flags['keyFrames'] === 'string' ? path.resolve(flags['keyFrames']) : null
  if (frames !== null && flags['dryRun'] !== true) await makeFolder(frames)
  const toolchain = await openTools(flags, reporter, signal)
  const transcriber = new LocalTranscriber(toolchain, localOptions(flags))
  try {
    if (flags['dryRun'] === true) return await print(dryRun(toolchain.choice, flags))
    const from = performance.now()
    await transcriber.convert(file, { activity, signal }, async (converted) => {
      activity.done(`done in ${((performance.now() - from) / 1000).toFixed(1)} s`)
      for (const warning of warningsOf(converted.metadata)) reporter.event('warn', warning)
      reporter.close()
      // The text first: it matters more than the key frames.
      await writeOutput(
        output,
        renderForm(output.form, converted, renderOptionsOf(formFlags(flags))),
      )
      if (frames !== null) await keep(converted.artifacts, frames)
    })
  } finally {
    await transcriber.close()
  }
}

/** For many files: key frames and dry runs are for one. @throws {AppError} as {@link openToolchain}; `usage`. */
export async function openTranscriber(
  flags: Flags,
  reporter: Reporter,
  signal: AbortSignal,
): Promise<LocalTranscriber> {
  for (const [key, flag] of [
    ['keyFrames', '--key-frames'],
    ['dryRun', '--dry-run'],
  ] as const) {
    if (flags[key] !== undefined) throw new AppError('usage', `${flag} is for one file.`)
  }
  return new LocalTranscriber(await openTools(flags, reporter, signal), localOptions(flags))
}

async function openTools(
  flags: Flags,
  reporter: Reporter,
  signal: AbortSignal,
): Promise<Toolchain> {
  const settings = mediaSettings(flags)
  const toolchain = await openToolchain(settings, {
    signal,
    report: (level, text) => reporter.event(level, text),
    language: languageToKnow(readJobOptions(jobOptionsOf(flags)).options),
  })
  const { engine, why } = toolchain.choice
  const { info } = engine
  if (!settings.engineSettings.offline) await offerBetter(toolchain, reporter)
  reporter.event('debug', `${info.name} (${info.model}, ${info.device}): ${why}`)
  return toolchain
}

function localOptions(flags: Flags): LocalOptions {
  return {
    type: typeof flags['type'] === 'string' ? flags['type'] : null,
    taskOptions: { ...jobOptionsOf(flags), ...(flags['keyFrames'] ? { keyframes: true } : {}) },
    render: renderOptionsOf(formFlags(flags)),
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
