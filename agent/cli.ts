#!/usr/bin/env node
import { Command, CommanderError } from 'commander'
import { endQuietlyOnClosedPipe } from '../shared/closed-pipe.ts'
import { AppError, EXIT, exitCodeOf, messageOf } from '../shared/errors.ts'
import { printable } from '../shared/printable.ts'
import { asksForAbout, VERSION } from '../shared/version.ts'

const EXAMPLES = `
Examples:
  morag-agent transcribe talk.mp3                             text from a file, right here
  morag-agent start --url https://morag.example --types audio,video
  morag-agent test --test all                                 does everything work on this machine?
`

/** What each command loads is its own: `--version` needs none of it, and is there at once. */
const COMMANDS: Record<string, () => Promise<(cli: Command) => void>> = {
  start: async () => (await import('./commands/start.ts')).addStart,
  test: async () => (await import('./commands/test.ts')).addTest,
  transcribe: async () => (await import('./commands/transcribe.ts')).addTranscribe,
  submit: async () => (await import('./commands/submit.ts')).addSubmit,
  register: async () => (await import('./commands/register.ts')).addRegister,
  models: async () => (await import('./commands/models.ts')).addModels,
  engines: async () => (await import('./commands/engines.ts')).addEngines,
  status: async () => (await import('./commands/status.ts')).addStatus,
  drain: async () => (await import('./commands/status.ts')).addDrain,
  service: async () => (await import('./commands/service.ts')).addService,
  config: async () => (await import('./commands/config.ts')).addConfig,
  completion: async () => {
    const { addCompletion } = await import('../shared/completion.ts')
    return (cli) => addCompletion(cli, async () => await program(Object.keys(COMMANDS)))
  },
}

/** The commands that these arguments are about: the first that is named, else all, for the help and for a wrong name. */
function wanted(args: readonly string[]): string[] {
  if (args.some((arg) => arg === '--version' || arg === '-V')) return []
  const named = args.find((arg) => !arg.startsWith('-'))
  return named !== undefined && Object.hasOwn(COMMANDS, named) ? [named] : Object.keys(COMMANDS)
}

async function program(names: readonly string[]): Promise<Command> {
  const cli = new Command('morag-agent')
    .description('Turns audio and video into text: for a coordinator, or alone.')
    .version(VERSION)
    .option('--verbose', 'show where an error comes from')
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, '')) })
    .addHelpText('after', EXAMPLES)
  if (names.length > 0) {
    ;(await import('./settings/start-settings.ts')).prepareEnvironment()
    const { useConfigFile } = await import('../shared/config.ts')
    useConfigFile(cli, async () => (await import('./settings/start-settings.ts')).CONFIGURED)
  }
  for (const name of names) (await COMMANDS[name]!())(cli)
  return cli
}

async function main(): Promise<void> {
  endQuietlyOnClosedPipe()
  const args = process.argv.slice(2)
  const cli = await program(wanted(args))
  try {
    if (asksForAbout(args)) await (await import('./commands/about.ts')).printAbout(cli)
    else await cli.parseAsync()
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.usage
      return
    }
    // Names of files and words of others are in it.
    process.stderr.write(`${printable(messageOf(error))}\n`)
    const verbose = cli.opts()['verbose'] === true
    if (verbose || !(error instanceof AppError)) {
      const stack = error instanceof Error ? (error.stack ?? '') : ''
      process.stderr.write(`${stack.split('\n').map(indented).join('\n')}\n`)
    }
    process.exitCode = exitCodeOf(error)
  }
}

function indented(line: string): string {
  return `  ${printable(line)}`
}

await main()
