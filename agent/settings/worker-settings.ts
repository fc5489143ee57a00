import type { Command } from 'commander'
import { setting, wholeNumber } from '../../shared/settings.ts'
import { DEFAULT_URL, workDirSetting } from './start-settings.ts'
import { baseUrl } from '../client/connection.ts'
import { addTypeSettings } from '../converter-settings.ts'
import { checked, hostAndPort, milliseconds, workerName } from './setting-values.ts'

export function addWorkerSettings(command: Command): Command {
  return addTypeSettings(addCoordinators(command))
    .addOption(
      setting(
        '--worker-id <id>',
        "this agent's name (default: the machine's, with a number for each further one)",
        'MORAG_WORKER_ID',
      ).argParser(workerName),
    )
    .addOption(
      setting(
        '--slots <count>',
        'recognitions and conversions at a time where no GPU is used',
        'MORAG_WORKER_MAX_CONCURRENT_JOBS',
      )
        .argParser(checked(wholeNumber(1, 64)))
        .default(1),
    )
    .addOption(workDirSetting())
    .addOption(
      setting(
        '--poll-interval <seconds>',
        'how long one request waits for work',
        'MORAG_WORKER_POLL_INTERVAL',
      )
        .argParser(checked(wholeNumber(0, 3_600)))
        .default(30),
    )
    .addOption(
      setting('--prefetch <count>', 'jobs to get ready while others run', 'MORAG_PREFETCH')
        .argParser(checked(wholeNumber(0, 16)))
        .default(1),
    )
    .addOption(
      setting(
        '--idle-timeout <duration>',
        'end after so long without a job',
        'MORAG_IDLE_TIMEOUT',
      ).argParser(checked(milliseconds)),
    )
    .addOption(
      setting('--max-jobs <count>', 'end after so many jobs', 'MORAG_MAX_JOBS').argParser(
        checked(wholeNumber(1, 1_000_000)),
      ),
    )
    .addOption(
      setting(
        '--max-uptime <duration>',
        'take nothing new after so long',
        'MORAG_MAX_UPTIME',
      ).argParser(checked(milliseconds)),
    )
    .addOption(
      setting(
        '--health-addr <address>',
        'where to answer /livez, /readyz and /metrics, like 127.0.0.1:9464 (default: nowhere)',
        'MORAG_HEALTH_ADDR',
      ).argParser(checked(hostAndPort)),
    )
    .option('--once', 'end after one job')
    .option('--exit-when-idle', 'end when there is no more work')
}

/** For those who work for several coordinators. */
function addCoordinators(command: Command): Command {
  const all =
    <T>(read: (text: string) => T): ((text: string, before: unknown) => T[]) =>
    // The default is a text, and a variable holds them all.
    (text, before) => [
      ...(Array.isArray(before) ? (before as T[]) : []),
      ...text.split(',').map((one) => read(one.trim())),
    ]
  return command
    .addOption(
      setting('--url <url>', 'the coordinator; again for each further one', 'MORAG_API_BASE_URL')
        .argParser(all(baseUrl))
        .default(DEFAULT_URL),
    )
    .addOption(
      setting(
        '--api-key-file <file>',
        "file that holds the coordinator's key (the key itself: env MORAG_API_KEY); for each --url its own, in the same order",
        'MORAG_API_KEY_FILE',
      ).argParser(all((text) => text)),
    )
}
