import { addSettings } from '../../shared/settings.ts'
import { readVocabularyFile } from '../../shared/vocabulary.ts'
import { VOCABULARY } from '../settings/conversion-table.ts'
import { API_KEY, COORDINATOR } from '../settings/table.ts'
import { randomUUID } from 'node:crypto'
import path from 'node:path'
import { Option, type Command } from 'commander'
import { AppError } from '../../shared/errors.ts'
import type { StatusAnswer } from '../../shared/wire.ts'
import { Client } from '../client/client.ts'
import { Contact } from '../client/contact.ts'
import { coordinatorSettings, wantsPlainOutput, type Flags } from '../settings/config.ts'
import { Connection } from '../../shared/connection.ts'
import { contentTypeOf } from '../media/file-kind.ts'
import { interruptible } from '../signals.ts'
import { print, writeOutput } from '../output.ts'
import { exposureWarning } from '../client/plain-http.ts'
import { overall, STAGES, type Progress } from '../progress/progress.ts'
import type { Activity, Reporter } from '../progress/reporter-kinds.ts'
import { commandReporter } from '../progress/reporter.ts'
import { pause } from '../../shared/timers.ts'
import { addJobFlags, jobOptionsOf } from './job-flags.ts'
import { formOption, outputOf } from './transcribe.ts'

const EXAMPLES = `
Examples:
  morag-agent submit talk.mp3                          upload a file and print the job's id
  morag-agent submit talk.mp3 --wait                   upload it and print its transcript
  morag-agent submit talk.mp4 --wait --output talk.srt
  morag-agent submit paper.pdf --type document --wait
`

const POLL_MS = 500

export function addSubmit(cli: Command): void {
  const command = cli
    .command('submit')
    .description('upload a file to a coordinator')
    .argument('<file>', 'audio or video; other files with --type')
    .addOption(
      new Option('--type <type>', 'content type (default: audio or video, by the extension)'),
    )
    .option('--wait', 'wait for the job and print its transcript')
    .addOption(formOption())
    .option(
      '--output <file>',
      'file or folder to write the transcript to (default: standard output)',
    )
    .option('--json', "print the coordinator's answer as JSON")
  addJobFlags(command)
    .option('--audio-track <track>', 'audio track: a number from 0, a language, or mix for all')
    .option('--diarize', 'label speakers')
    .option('--model <name>', "one of the agent's models")
    .option('--vocabulary <file>', VOCABULARY.vocabulary.help)
    .option('--key-frames', 'add key frames as artifacts of the job')
  addSettings(command, COORDINATOR, API_KEY)
  command.addHelpText('after', EXAMPLES).action(submit)
}

async function submit(file: string, flags: Flags): Promise<void> {
  const json = flags['json'] === true
  const plain = wantsPlainOutput()
  const reporter = commandReporter({ plain, format: json ? 'none' : 'text' })
  const settings = coordinatorSettings(flags)
  const output = await outputOf(file, json ? { ...flags, format: 'json' } : flags)
  const warning = settings.apiKey === null ? null : await exposureWarning(settings.url)
  if (warning !== null) reporter.event('warn', warning)
  // Few retries, so that a wrong address is reported soon.
  const connection = new Connection({ ...settings, retries: 2 })
  const client = new Client(connection)
  const signal = interruptible()
  try {
    const jobId = await upload(client, file, flags, reporter, signal)
    if (flags['wait'] !== true) {
      reporter.close()
      await print(json ? `${JSON.stringify({ job_id: jobId })}\n` : `${jobId}\n`)
      return
    }
    await follow(client, jobId, path.basename(file), reporter, signal)
    reporter.close()
    const text = await client.resultBody(jobId, output.form, { signal })
    await writeOutput(output, text)
  } finally {
    reporter.close()
    await connection.close()
  }
}

async function upload(
  client: Client,
  file: string,
  flags: Flags,
  reporter: Reporter,
  signal: AbortSignal,
): Promise<string> {
  const { type, diarize, model, keyFrames: keyframes, vocabulary: terms } = flags
  const vocabulary =
    typeof terms === 'string' ? readVocabularyFile(terms, '--vocabulary') : undefined
  const more = { diarize, model, keyframes, vocabulary }
  const filename = path.basename(file)
  const activity = reporter.begin('upload', `${filename} (upload)`)
  const sent = (bytes: number, total: number): void =>
    activity.update({ stage: 'uploading', ratio: total > 0 ? bytes / total : 1 })
  const { jobId } = await client.create(
    {
      file,
      filename,
      contentType: typeof type === 'string' ? type : contentTypeOf(file),
      idempotencyKey: randomUUID(),
      // Undefined values are left out of the JSON.
      taskOptions: { ...jobOptionsOf(flags), ...more },
      onProgress: sent,
    },
    { signal },
  )
  activity.done(`job ${jobId}`)
  return jobId
}

/** Polls a job until it has ended. @throws {AppError} when it has no transcript. */
async function follow(
  client: Client,
  jobId: string,
  name: string,
  reporter: Reporter,
  signal: AbortSignal,
): Promise<void> {
  const from = performance.now()
  const activity = reporter.begin(jobId, name)
  const contact = new Contact(reporter)
  const onRetry = (error: unknown): void => contact.note('status', error)
  reporter.idle(`${name}: waiting for an agent`)
  let reported: string | null = null
  try {
    for (;;) {
      const status = await client.status(jobId, { signal, retries: Infinity, onRetry })
      contact.note('status', null)
      if (status.status === 'completed') {
        activity.done(`done in ${((performance.now() - from) / 1000).toFixed(1)} s`)
        return
      }
      if (!['pending', 'processing'].includes(status.status)) throw ended(status)
      show(status, activity)
      const lacking = status.waitingFor ?? null
      if (lacking !== reported && lacking !== null)
        reporter.event('warn', `${name}: no worker can process it now. It waits for ${lacking}.`)
      reported = lacking
      await pause(POLL_MS, signal)
    }
  } catch (error) {
    if (!signal.aborted) throw error
    const where = `${client.connection.url}/api/v1/remote-jobs/${jobId}`
    throw new AppError('cancelled', `Job ${jobId} continues; see ${where}`)
  }
}

function show({ status, stage, progress }: StatusAnswer, activity: Activity): void {
  const known = STAGES.find((one) => one === stage)
  if (status !== 'processing' || known === undefined) return
  const shown: Progress = { stage: known, ratio: progress ?? overall(known, 0) }
  activity.update(shown)
}

function ended({ jobId, status, errorMessage }: StatusAnswer): AppError {
  return new AppError(
    'internal',
    `Job ${jobId} is ${status}${errorMessage === null ? '.' : `: ${errorMessage}`}`,
  )
}
