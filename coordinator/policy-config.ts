import type { Command } from 'commander'
import { HOUR, MINUTE, SECOND } from '../shared/duration.ts'
import { setting, wholeNumber } from '../shared/settings.ts'
import type { Policy } from './job/policy.ts'
import { atLeast, finite, orNever, timeouts } from './setting-values.ts'

export interface PolicyFlags {
  lease: number
  stall: number
  timeout?: Record<string, number>
  timeoutFactor: number
  /** Infinite: no limit. */
  queueLimit: number
  originalGrace: number
}

const DEADLINES = { audio: HOUR, video: HOUR, document: 15 * MINUTE, default: HOUR }

/** How long attempts and waits may take. */
export function addPolicySettings(command: Command): Command {
  return command
    .addOption(
      setting('--lease <duration>', 'silence after which an agent is given up', 'MORAG_LEASE')
        .argParser(atLeast(3 * SECOND))
        .default(MINUTE, '60s'),
    )
    .addOption(
      setting(
        '--stall <duration>',
        'time without progress after which an attempt is given up',
        'MORAG_STALL',
      )
        .argParser(atLeast(SECOND))
        .default(10 * MINUTE, '10m'),
    )
    .addOption(
      setting(
        '--timeout <type=duration>',
        'how long an attempt may take (default: audio=60m,video=60m,document=15m)',
        'MORAG_TIMEOUTS',
      ).argParser(timeouts),
    )
    .addOption(
      setting(
        '--timeout-factor <times>',
        '… but at least this many times the recording',
        'MORAG_TIMEOUT_FACTOR',
      )
        .argParser(wholeNumber(0, 1_000))
        .default(4),
    )
    .addOption(
      setting(
        '--queue-limit <duration>',
        'how long a job may wait for a worker',
        'MORAG_QUEUE_LIMIT',
      )
        .argParser(orNever('off'))
        .default(Infinity, 'off'),
    )
    .addOption(
      setting(
        '--original-grace <duration>',
        'how long after a restart a worker of the original protocol is waited for without a download or a result',
        'MORAG_ORIGINAL_GRACE',
      )
        .argParser(atLeast(SECOND))
        .default(5 * MINUTE, '5m'),
    )
}

export function policyOf(flags: PolicyFlags): Policy {
  return {
    leaseMs: flags.lease,
    stallMs: flags.stall,
    deadlineMs: { ...DEADLINES, ...flags.timeout },
    deadlineFactor: flags.timeoutFactor,
    queueLimitMs: finite(flags.queueLimit),
    originalGraceMs: flags.originalGrace,
  }
}
