import { addSettings } from '../../shared/settings.ts'
import { readVocabularyFile } from '../../shared/vocabulary.ts'
import { VOCABULARY } from '../settings/conversion-table.ts'
import { API_KEY, COORDINATOR } from '../settings/table.ts'
import { Option, type Command } from 'commander'
import { AppError } from '../../shared/errors.ts'
import { coordinatorSettings, wantsPlainOutput, type Flags } from '../settings/config.ts'
import { interruptible } from '../signals.ts'
import { print, writeOutput } from '../output.ts'
import { exposureWarning } from '../client/plain-http.ts'
import type { Reporter } from '../progress/reporter-kinds.ts'
import { commandReporter } from '../progress/reporter.ts'
import { runBatch } from '../files/batch.ts'
import { mediaFiles } from '../files/media-files.ts'
import { nameOf, RemoteTranscriber, type RemoteOptions } from '../files/remote-transcriber.ts'
import { Spool } from '../files/spool.ts'
import { addJobFlags, jobOptionsOf } from './job-flags.ts'
import { addBatchFlags, batchOf, formOption, isBatch, outputOf, searchOf } from './output-flags.ts'

const EXAMPLES = `
Examples:
  morag-agent submit talk.mp3                          upload a file and print the job's id
  morag-agent submit talk.mp3 --wait                   upload it and print its transcript
  morag-agent submit talk.mp4 --wait --output talk.srt
  morag-agent submit talks --recursive                 upload a folder; an id for each file
  morag-agent submit talks --wait --output-dir texts --format srt,md
  morag-agent submit paper.pdf --type document --wait
  morag-agent submit https://example.com/talk.mp3      the coordinator fetches it
`

export function addSubmit(cli: Command): void {
  const command = cli
    .command('submit')
    .description('upload files to a coordinator')
    .argument(
      '<files...>',
      'audio or video, or folders with some; other files with --type; - for standard input; or one http or https address',
    )
    .addOption(
      new Option(
        '--type <type>',
        'content type (default: audio or video, by the extension; of an address: by its bytes)',
      ),
    )
    .option('--wait', 'wait for the job and print its transcript')
    .addOption(formOption())
    .option(
      '--output <file>',
      'file or folder to write the transcript to (default: standard output)',
    )
  addBatchFlags(command)
  addJobFlags(command)
    .option('--audio-track <track>', 'audio track: a number from 0, a language, or mix for all')
    .option('--diarize', 'label speakers')
    .option('--model <name>', "one of the agent's models")
    .option('--vocabulary <file>', VOCABULARY.vocabulary.help)
    .option('--key-frames', 'add key frames as artifacts of the job')
  addSettings(command, COORDINATOR, API_KEY)
  command.addHelpText('after', EXAMPLES).action(submit)
}

async function submit(given: string[], flags: Flags): Promise<void> {
  const json = flags['json'] === true
  const reporter = await commandReporter({
    plain: wantsPlainOutput(),
    format: json ? 'none' : 'text',
  })
  const signal = interruptible()
  const spool = await Spool.of(given, signal)
  try {
    const { files } = spool
    const transcriber = await openRemote(flags, reporter)
    try {
      if (!(await isBatch(files, flags)))
        return await submitOne(files[0]!, flags, transcriber, { json, reporter, signal })
      if (flags['wait'] !== true && flags['outputDir'] !== undefined)
        throw new AppError('usage', '--output-dir needs --wait.')
      if (flags['wait'] !== true)
        return await uploadAll(files, flags, transcriber, { json, reporter, signal })
      const options = await batchOf(files, flags, reporter)
      await runBatch(options.files, { ...options, transcriber, reporter, signal, json })
    } finally {
      await transcriber.close()
    }
  } finally {
    reporter.close()
    await spool.close()
  }
}

interface Context {
  json: boolean
  reporter: Reporter
  signal: AbortSignal
}

async function submitOne(
  file: string,
  flags: Flags,
  transcriber: RemoteTranscriber,
  { json, reporter, signal }: Context,
): Promise<void> {
  const name = nameOf(file)
  const output = await outputOf(name, json ? { ...flags, format: ['json'] } : flags)
  const jobId = await upload(file, name, transcriber, { reporter, signal })
  if (flags['wait'] !== true) {
    reporter.close()
    return await print(json ? `${JSON.stringify({ job_id: jobId })}\n` : `${jobId}\n`)
  }
  const from = performance.now()
  const activity = reporter.begin(jobId, name)
  reporter.idle(`${name}: waiting for an agent`)
  await transcriber.follow(jobId, name, { activity, signal })
  activity.done(`done in ${((performance.now() - from) / 1000).toFixed(1)} s`)
  if (!json)
    for (const warning of await transcriber.warnings(jobId, signal)) reporter.event('warn', warning)
  reporter.close()
  await writeOutput(output, await transcriber.client.resultBody(jobId, output.form, { signal }))
}

/** Uploads files one after the other and prints the id of each job, with its file. */
async function uploadAll(
  files: readonly string[],
  flags: Flags,
  transcriber: RemoteTranscriber,
  { json, reporter, signal }: Context,
): Promise<void> {
  for (const { file, name } of await mediaFiles(files, searchOf(flags, reporter))) {
    const jobId = await upload(file, name, transcriber, { reporter, signal })
    await print(json ? `${JSON.stringify({ job_id: jobId, file })}\n` : `${jobId}\t${file}\n`)
  }
}

async function upload(
  file: string,
  name: string,
  transcriber: RemoteTranscriber,
  { reporter, signal }: Pick<Context, 'reporter' | 'signal'>,
): Promise<string> {
  const activity = reporter.begin('upload', `${name} (upload)`)
  const jobId = await transcriber.upload(file, { activity, signal })
  activity.done(`job ${jobId}`)
  return jobId
}

/** Warns where the key would cross a network unencrypted. @param versionOf as {@link RemoteOptions}. */
export async function openRemote(
  flags: Flags,
  reporter: Reporter,
  versionOf?: RemoteOptions['versionOf'],
): Promise<RemoteTranscriber> {
  const settings = coordinatorSettings(flags)
  const warning = settings.apiKey === null ? null : await exposureWarning(settings.url)
  if (warning !== null) reporter.event('warn', warning)
  const { type, diarize, model, keyFrames: keyframes, vocabulary: terms } = flags
  const vocabulary =
    typeof terms === 'string' ? readVocabularyFile(terms, '--vocabulary') : undefined
  return new RemoteTranscriber(settings, {
    type: typeof type === 'string' ? type : null,
    // Undefined values are left out of the JSON.
    taskOptions: { ...jobOptionsOf(flags), diarize, model, keyframes, vocabulary },
    reporter,
    ...(versionOf !== undefined && { versionOf }),
  })
}
