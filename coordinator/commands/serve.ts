import { setFlagsFromString } from 'node:v8'
import type { Command } from 'commander'
import { EXIT } from '../../shared/errors.ts'
import { nodeProblem } from '../../shared/node-release.ts'
import { timeOfDay } from '../../shared/time-of-day.ts'
import { addServeSettings, configOf } from '../config.ts'
import { FLEET_LIMITS } from '../fleet-limits.ts'
import { createLogger } from '../logger.ts'
import { startCoordinator } from '../server.ts'

const MORE_HELP = `
Environment only:
  MORAG_API_KEY  the key with all permissions, in addition to tokens

Examples:
  morag-coordinator serve --data-dir ./data --media-root /srv/media
  morag-coordinator serve --port 0 --data-dir ./data --log-format json
  MORAG_API_KEY=… morag-coordinator serve --host 0.0.0.0 --data-dir ./data
`

/** In percent. Calls that wait are old when they end: by itself V8 lets what they leave grow to four times what lives. */
const HEAP_GROWTH = 50

export function addServe(cli: Command): void {
  addServeSettings(cli.command('serve').description('run the coordinator'))
    .addHelpText('after', MORE_HELP)
    .action(serve)
}

async function serve(flags: Record<string, unknown>): Promise<void> {
  const config = configOf(flags)
  if (config.fleet.waiting > FLEET_LIMITS.waiting)
    setFlagsFromString(`--heap-growing-percent=${HEAP_GROWTH}`)
  const log = createLogger(config.logLevel, config.logFormat)
  // Before the start: a signal may arrive as soon as the port is open.
  const stop = stopSignal()
  const coordinator = await startCoordinator(config, log)
  const node = nodeProblem(process.version, timeOfDay())
  for (const warning of [...coordinator.warnings, node]) if (warning !== null) log.warn(warning)
  const reason = await Promise.race([stop, coordinator.lost])
  if (typeof reason === 'string') log.info({ signal: reason }, 'stopping')
  else log.fatal(reason.message)
  await coordinator.close()
  log.info('stopped')
  if (typeof reason !== 'string') process.exitCode = EXIT.failed
}

/** The first SIGINT or SIGTERM. A second one exits at once. */
async function stopSignal(): Promise<NodeJS.Signals> {
  return await new Promise((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) {
      process.once(name, () => {
        resolve(name)
        process.once(name, () => process.exit(name === 'SIGINT' ? EXIT.interrupted : 143))
      })
    }
  })
}
