import { realpath } from 'node:fs/promises'
import path from 'node:path'
import type { Command } from 'commander'
import { AppError, messageOf } from '../../shared/errors.ts'
import type { Form } from '../../shared/forms.ts'
import { addSettings, valuesOf } from '../../shared/settings.ts'
import { DoneFiles } from '../files/done-files.ts'
import { checkThere, isFolder } from '../files/media-files.ts'
import { BESIDE, OutputFolder } from '../files/output-folder.ts'
import { WatchQueue } from '../files/watch-queue.ts'
import { versionOf, WatchedFolder } from '../files/watched-folder.ts'
import { stateDir } from '../paths.ts'
import { commandReporter } from '../progress/reporter.ts'
import { wantsPlainOutput, type Flags } from '../settings/config.ts'
import { CONVERSION } from '../settings/conversion-table.ts'
import { milliseconds } from '../settings/setting-values.ts'
import { API_KEY, COORDINATOR, LOG } from '../settings/table.ts'
import { interruptible } from '../signals.ts'
import { addJobFlags } from './job-flags.ts'
import { formOption } from './output-flags.ts'
import { openRemote } from './submit.ts'
import { openTranscriber } from './transcribe.ts'

const EXAMPLES = `
Examples:
  morag-agent watch ~/recordings                          a transcript beside each recording
  morag-agent watch /srv/calls --recursive --output /srv/texts --format srt,json
  morag-agent watch /mnt/share --url https://morag.example --api-key-file ./key

Runs until stopped. What is done is kept in the state folder: a restart goes on with what is new or has changed.
`

const SETTLE_MS = 5_000
export function addWatch(cli: Command): void {
  const command = cli
    .command('watch')
    .description('transcribe the recordings in a folder, and those that come')
    .argument('<dir>', 'folder')
    .option('--output <dir>', 'folder for the transcripts; default: beside each recording', BESIDE)
    .addOption(formOption())
    .option('--recursive', 'with the folders in it, too')
    .option(
      '--settle <duration>',
      'how long a file must not change to be whole (default: 5s)',
      milliseconds,
    )
    .option('--poll', 'look for changes regularly (default: on network file systems only)')
    .option('--json', 'print a line of JSON for each file')
  addJobFlags(command)
  addSettings(command, COORDINATOR, API_KEY, ...CONVERSION, LOG)
  command.addHelpText('after', EXAMPLES).action(async (folder: string, flags: Flags) => {
    await watchFolder(folder, flags, command.getOptionValueSource('url') === 'cli')
  })
}

async function watchFolder(given: string, flags: Flags, isRemote: boolean): Promise<void> {
  await checkThere(given)
  if (!(await isFolder(given))) throw new AppError('usage', `${given} is no folder.`)
  const folder = await realpath(given)
  const { output, format = ['md'] } = flags as { output: string; format?: Form[] }
  const place = output === BESIDE ? output : path.resolve(output)
  const json = flags['json'] === true
  const { logLevel: level, logFormat } = valuesOf(flags, LOG)
  const reporter = await commandReporter({
    plain: wantsPlainOutput(),
    level,
    format: json ? 'none' : logFormat,
    times: true,
  })
  const signal = interruptible()
  const done = await DoneFiles.open(
    path.join(stateDir(), 'watch'),
    JSON.stringify([folder, place, format]),
  )
  if (done === null)
    throw new AppError('usage', `Another process watches ${folder} for the same transcripts.`)
  const transcriber = isRemote
    ? await openRemote(flags, reporter, async (file) => [path.resolve(file), await versionOf(file)])
    : await openTranscriber(flags, reporter, signal)
  const outputs = new OutputFolder(place, format)
  const batch = { transcriber, outputs, reporter, signal, skipExisting: false, json }
  const queue = new WatchQueue(done, batch)
  const watched = await WatchedFolder.open(folder, {
    recursive: flags['recursive'] === true,
    settleMs: (flags['settle'] as number | undefined) ?? SETTLE_MS,
    polling: flags['poll'] === true ? true : null,
    onFile: (file) => queue.add(file),
    onGone: (name) => void done.remove(name).catch((error: unknown) => queue.fail(error)),
    onError: (error) =>
      reporter.event('warn', `cannot watch all of ${folder}: ${messageOf(error)}`),
  })
  try {
    const how = watched.isPolling ? ', looking for changes every 5 seconds' : ''
    reporter.event('info', `watching ${folder}${how}`)
    await queue.run()
  } finally {
    await watched.close()
    await transcriber.close()
    await done.close()
    reporter.close()
  }
}
