import { addSettings, optionOf } from '../../shared/settings.ts'
import { API_KEY, WORK_DIR } from '../settings/table.ts'
import { CONVERSION } from '../settings/conversion-table.ts'
import { Option, type Command } from 'commander'
import { coordinatorUrl } from '../../shared/base-url.ts'
import { EXIT } from '../../shared/errors.ts'
import { toWire } from '../../shared/keys.ts'
import { Client } from '../client/client.ts'
import { coordinatorSettings, workDir, type Flags } from '../settings/config.ts'
import { Connection } from '../../shared/connection.ts'
import { mediaSettings } from '../settings/media-settings.ts'
import { print, printJson } from '../output.ts'
import { apiGroup } from '../selftest/api.ts'
import {
  GROUPS,
  runGroups,
  type CheckResult,
  type Group,
  type GroupName,
} from '../selftest/check.ts'
import { connectionGroup } from '../selftest/connection.ts'
import { diskGroup } from '../selftest/disk.ts'
import { engineGroup } from '../selftest/engine.ts'
import { gpuGroup } from '../selftest/gpu.ts'
import { lifecycleGroup } from '../selftest/lifecycle.ts'
import { limitsGroup } from '../selftest/limits.ts'
import { mediaGroup } from '../selftest/media.ts'
import { startPrivateCoordinator } from '../selftest/private-coordinator.ts'

const EXAMPLES = `
Examples:
  morag-agent test --test all                          test everything, with a private coordinator
  morag-agent test --test connection --url https://morag.example --api-key-file ./key
  morag-agent test --test engine --json

Groups:
  connection  the coordinator answers, accepts this agent's key and no other, is reached securely; the clocks agree
  lifecycle   a job goes from its upload to its end, with a content type of its own
  api         the original system's routes answer as its clients expect
  limits      oversized requests are refused with a reason, and a large upload gets through
  disk        there is disk space for jobs and models, and it is writable
  media       ffmpeg is installed, recent and complete; the VAD distinguishes speech from noise
  gpu         lists the GPUs, and checks those of --gpus
  engine      speech becomes the right words, and the GPU is used for it
Exit code 1 when a check fails.
`

export function addTest(cli: Command): void {
  const command = cli
    .command('test')
    .description('check that everything works on this machine')
    .addOption(
      new Option('--test <group>', 'what to test').choices([...GROUPS, 'all']).default('all'),
    )
    .addOption(
      new Option('--url <url>', 'coordinator to test with (default: a private one)').argParser(
        coordinatorUrl,
      ),
    )
    .addOption(optionOf(API_KEY.apiKeyFile))
    .addOption(optionOf(WORK_DIR.workDir))
    .option('--json', 'for programs: one object at the end')
  addSettings(command, ...CONVERSION)
  command.addHelpText('after', EXAMPLES).action(test)
}

async function test(flags: Flags): Promise<void> {
  const wanted = GROUPS.filter((name) => flags['test'] === 'all' || flags['test'] === name)
  const json = flags['json'] === true
  const needsCoordinator = wanted.some((name) =>
    ['connection', 'lifecycle', 'api', 'limits'].includes(name),
  )
  const own =
    needsCoordinator && flags['url'] === undefined ? await startPrivateCoordinator() : null
  const settings = own ?? coordinatorSettings(flags)
  const connection = new Connection({ url: settings.url, apiKey: settings.apiKey, retries: 1 })
  try {
    const groups = wanted.map((name) => groupOf(name, connection, flags))
    const results = await runGroups(groups, (result) => {
      if (!json) process.stdout.write(lineOf(result))
    })
    const count = (status: CheckResult['status']): number =>
      results.filter((one) => one.status === status).length
    const ok = count('FAIL') === 0
    const summary = `\n${count('PASS')} passed, ${count('FAIL')} failed, ${count('SKIP')} skipped\n`
    if (json) await printJson(toWire({ ok, checks: results }))
    else await print(summary)
    if (!ok) process.exitCode = EXIT.failed
  } finally {
    await connection.close()
    await own?.close()
  }
}

function groupOf(name: GroupName, connection: Connection, flags: Flags): Group {
  const media = mediaSettings(flags)
  const report = (text: string): void => void process.stderr.write(`${text}\n`)
  switch (name) {
    case 'connection':
      return connectionGroup(new Client(connection))
    case 'lifecycle':
      return lifecycleGroup(new Client(connection))
    case 'api':
      return apiGroup(connection)
    case 'limits':
      return limitsGroup(connection)
    case 'disk':
      return diskGroup({ '--work-dir': workDir(flags), '--models-dir': media.modelsDir })
    case 'media':
      return mediaGroup(media, report)
    case 'gpu':
      return gpuGroup({ gpus: media.gpus })
    case 'engine':
      return engineGroup(media, report)
  }
}

function lineOf({ status, group, name, detail, fix, durationMs }: CheckResult): string {
  const took = durationMs >= 1000 ? ` (${(durationMs / 1000).toFixed(1)} s)` : ''
  const help = fix === null ? '' : `\n      fix: ${fix}`
  return `${status}  ${group}: ${name}: ${detail}${took}${help}\n`
}
