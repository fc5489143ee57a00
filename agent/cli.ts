#!/usr/bin/env node
import { Command, CommanderError } from 'commander'
import { AppError, EXIT, exitCodeOf, messageOf } from '../shared/errors.ts'
import { VERSION } from '../shared/version.ts'
import { addEngines } from './commands/engines.ts'
import { addModels } from './commands/models.ts'
import { addStart } from './commands/start.ts'
import { addSubmit } from './commands/submit.ts'
import { addTest } from './commands/test.ts'
import { addTranscribe } from './commands/transcribe.ts'
import { prepareEnvironment } from './config.ts'

const EXAMPLES = `
Examples:
  morag-agent transcribe talk.mp3                             text from a file, right here
  morag-agent start --url https://morag.example --types audio,video
  morag-agent test --test all                                 does everything work on this machine?
`

function program(): Command {
  const cli = new Command('morag-agent')
    .description('Turns audio and video into text: for a coordinator, or alone.')
    .version(VERSION)
    .option('--verbose', 'show where an error comes from')
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, '')) })
    .addHelpText('after', EXAMPLES)
  addStart(cli)
  addTest(cli)
  addTranscribe(cli)
  addSubmit(cli)
  addModels(cli)
  addEngines(cli)
  return cli
}

async function main(): Promise<void> {
  prepareEnvironment()
  // Whoever reads our output may stop reading: that is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(EXIT.done)
  })
  const cli = program()
  try {
    await cli.parseAsync()
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.usage
      return
    }
    process.stderr.write(`${messageOf(error)}\n`)
    const verbose = cli.opts()['verbose'] === true
    if (verbose || !(error instanceof AppError)) {
      process.stderr.write(`${error instanceof Error ? (error.stack ?? '') : ''}\n`)
    }
    process.exitCode = exitCodeOf(error)
  }
}

await main()
