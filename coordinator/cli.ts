#!/usr/bin/env node
import { Command, CommanderError } from 'commander'
import { AppError, EXIT, exitCodeOf, messageOf } from '../shared/errors.ts'
import { VERSION } from '../shared/version.ts'
import { addSettings, configOf } from './config.ts'
import { createLogger } from './logger.ts'
import { startCoordinator } from './server.ts'

const MORE_HELP = `
Environment only:
  MORAG_API_KEY  the key that every request must show; needed to listen beyond this machine

Examples:
  morag-coordinator serve --data-dir ./data --media-root /srv/media
  morag-coordinator serve --port 0 --data-dir ./data --log-format json
  MORAG_API_KEY=… morag-coordinator serve --host 0.0.0.0 --data-dir /var/lib/morag
`

function program(): Command {
  const cli = new Command('morag-coordinator')
    .description('Holds the job queue of MoRAG remote conversion and hands jobs out to agents.')
    .version(VERSION)
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, '')) })
  addSettings(cli.command('serve').description('run the coordinator until it is told to stop'))
    .addHelpText('after', MORE_HELP)
    .exitOverride()
    .action(serve)
  return cli
}

async function serve(flags: Parameters<typeof configOf>[0]): Promise<void> {
  const config = configOf(flags)
  const log = createLogger(config.logLevel, config.logFormat)
  const coordinator = await startCoordinator(config, log)
  const signal = await new Promise<NodeJS.Signals>((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) {
      process.once(name, () => {
        resolve(name)
        // A second one is not waited for.
        process.once(name, () => process.exit(name === 'SIGINT' ? EXIT.interrupted : 143))
      })
    }
  })
  log.info({ signal }, 'stopping')
  await coordinator.close()
  log.info('stopped')
}

async function main(): Promise<void> {
  try {
    await program().parseAsync()
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.usage
      return
    }
    process.stderr.write(`${messageOf(error)}\n`)
    if (!(error instanceof AppError)) process.stderr.write(`${(error as Error).stack ?? ''}\n`)
    process.exitCode = exitCodeOf(error)
  }
}

await main()
