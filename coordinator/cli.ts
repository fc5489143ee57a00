#!/usr/bin/env node
import { Command, CommanderError } from 'commander'
import { aboutLines } from '../shared/about.ts'
import { addCompletion } from '../shared/completion.ts'
import { addConfigCommands } from '../shared/config-commands.ts'
import { useConfigFile } from '../shared/config.ts'
import { AppError, EXIT, exitCodeOf, messageOf } from '../shared/errors.ts'
import { printable } from '../shared/printable.ts'
import { asksForAbout, VERSION } from '../shared/version.ts'
import { addTokenCommands } from './commands/token.ts'
import { addSettings, configOf } from './config.ts'
import { createLogger } from './logger.ts'
import { startCoordinator } from './server.ts'

const MORE_HELP = `
Environment only:
  MORAG_API_KEY  the key that opens everything, beside the tokens of morag-coordinator token

Examples:
  morag-coordinator serve --data-dir ./data --media-root /srv/media
  morag-coordinator serve --port 0 --data-dir ./data --log-format json
  MORAG_API_KEY=… morag-coordinator serve --host 0.0.0.0 --data-dir /var/lib/morag
`

/** Variables that `config show` does not tell. */
const SECRETS = ['MORAG_API_KEY', 'MORAG_SERVER_API_KEY', 'MORAG_WEBHOOK_SECRET']

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
  addTokenCommands(cli)
  const configured = { section: 'coordinator', addSettings } as const
  useConfigFile(cli, async () => configured)
  addConfigCommands(cli, { configured, secrets: SECRETS })
  addCompletion(cli, async () => cli)
  return cli
}

async function serve(flags: Parameters<typeof configOf>[0]): Promise<void> {
  const config = configOf(flags)
  const log = createLogger(config.logLevel, config.logFormat)
  // Listened for before anything is started: whoever sees that we listen may stop us at once.
  const stop = stopSignal()
  const coordinator = await startCoordinator(config, log)
  for (const warning of coordinator.warnings) log.warn(warning)
  log.info({ signal: await stop }, 'stopping')
  await coordinator.close()
  log.info('stopped')
}

/** The first signal to stop; a second one is not waited for. */
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

async function main(): Promise<void> {
  const cli = program()
  try {
    if (asksForAbout(process.argv.slice(2))) process.stdout.write(`${aboutLines(cli).join('\n')}\n`)
    else await cli.parseAsync()
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.usage
      return
    }
    // Names of files and words of others are in it.
    process.stderr.write(`${printable(messageOf(error))}\n`)
    if (!(error instanceof AppError)) process.stderr.write(`${(error as Error).stack ?? ''}\n`)
    process.exitCode = exitCodeOf(error)
  }
}

await main()
