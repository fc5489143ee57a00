#!/usr/bin/env node
import { Command, CommanderError } from 'commander'
import { endQuietlyOnClosedPipe } from '../shared/closed-pipe.ts'
import { AppError, EXIT, exitCodeOf, messageOf } from '../shared/errors.ts'
import { printable } from '../shared/printable.ts'
import { asksForAbout, VERSION } from '../shared/version.ts'

/** What each command loads is its own: `--version` and `jobs list` need no server. */
const COMMANDS: Record<string, () => Promise<(cli: Command) => void>> = {
  serve: async () => (await import('./commands/serve.ts')).addServe,
  jobs: async () => (await import('./commands/jobs.ts')).addJobs,
  workers: async () => (await import('./commands/workers.ts')).addWorkers,
  token: async () => (await import('./commands/token.ts')).addTokenCommands,
  cleanup: async () => (await import('./commands/cleanup.ts')).addCleanup,
  health: async () => (await import('./commands/health.ts')).addHealth,
  doctor: async () => (await import('./commands/doctor.ts')).addDoctor,
  import: async () => (await import('./commands/import.ts')).addImport,
  export: async () => (await import('./commands/export.ts')).addExport,
  config: async () => (await import('./commands/config.ts')).addConfig,
  completion: async () => {
    const { addCompletion } = await import('../shared/completion.ts')
    return (cli) => addCompletion(cli, async () => await program(Object.keys(COMMANDS)))
  },
}

/** The commands that these arguments are about: the first that is named, else all, for the help and for a wrong name. */
function wanted(args: readonly string[]): string[] {
  const named = args.find((arg) => !arg.startsWith('-'))
  return named !== undefined && Object.hasOwn(COMMANDS, named) ? [named] : Object.keys(COMMANDS)
}

async function program(names: readonly string[]): Promise<Command> {
  const cli = new Command('morag-coordinator')
    .description(
      'Job queue of MoRAG remote conversion: takes files and distributes them to agents.',
    )
    .version(VERSION)
    // Long flags leave a narrow column for the text of `serve --help`.
    .configureHelp({ minWidthToWrap: 24 })
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, '')) })
  for (const name of names) (await COMMANDS[name]!())(cli)
  const { useConfigFile } = await import('../shared/config.ts')
  useConfigFile(cli, async () => (await import('./config.ts')).CONFIGURED)
  return cli
}

async function main(): Promise<void> {
  endQuietlyOnClosedPipe()
  const args = process.argv.slice(2)
  const isVersion = args.includes('--version') || args.includes('-V')
  const cli = await program(isVersion ? [] : wanted(args))
  try {
    if (asksForAbout(args)) {
      const { aboutLines } = await import('../shared/about.ts')
      process.stdout.write(`${aboutLines(cli).join('\n')}\n`)
    } else await cli.parseAsync()
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
