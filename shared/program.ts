import { arch, availableParallelism, platform, release, totalmem } from 'node:os'
import { Command, CommanderError } from 'commander'
import type { Configured } from './config.ts'
import { AppError, EXIT, exitCodeOf, messageOf } from './errors.ts'
import { printable } from './printable.ts'
import { VERSION } from './version.ts'

/** A command-line program. Each command loads its own modules: `--version` needs none of them. */
export interface Program {
  name: string
  description: string
  commands: Readonly<Record<string, () => Promise<(cli: Command) => void>>>
  loadConfigured: () => Promise<Configured>
  prepare?: () => Promise<void>
  examples?: string
  /** What `--version --verbose` prints beside the version of the program and its machine. */
  aboutLines?: () => Promise<string[]>
}

/** Runs the command of the process's arguments, and sets the exit code. */
export async function runCli(program: Program): Promise<void> {
  endQuietlyOnClosedPipe()
  const args = process.argv.slice(2)
  const isVersion = args.includes('--version') || args.includes('-V')
  const cli = await commandOf(program, isVersion ? [] : wanted(program, args))
  try {
    if (isVersion && args.includes('--verbose')) await printAbout(program, cli)
    else await cli.parseAsync()
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.usage
      return
    }
    // Foreign text may be in it.
    process.stderr.write(`${printable(messageOf(error))}\n`)
    if (cli.opts()['verbose'] === true || !(error instanceof AppError)) writeStack(error)
    process.exitCode = exitCodeOf(error)
  }
}

async function commandOf(program: Program, names: readonly string[]): Promise<Command> {
  const { name, description, commands, examples = '', loadConfigured, prepare } = program
  const cli = new Command(name)
    .description(description)
    .version(VERSION)
    .option('--verbose', 'show the stack of an error')
    // Long flags leave a narrow column for their texts.
    .configureHelp({ minWidthToWrap: 24 })
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, '')) })
    .addHelpText('after', examples)
  if (names.length > 0) {
    await prepare?.()
    const { useConfigFile } = await import('./config.ts')
    useConfigFile(cli, loadConfigured)
  }
  for (const one of names) {
    if (one === 'completion') {
      const { addCompletion } = await import('./completion.ts')
      addCompletion(cli, () => commandOf(program, namesOf(program)))
    } else (await commands[one]!())(cli)
  }
  return cli
}

/** The named command; else all, for the help and for a wrong name. */
function wanted(program: Program, args: readonly string[]): string[] {
  const all = namesOf(program)
  const named = args.find((arg) => !arg.startsWith('-'))
  return named !== undefined && all.includes(named) ? [named] : all
}

function namesOf({ commands }: Program): string[] {
  return [...Object.keys(commands), 'completion']
}

async function printAbout({ aboutLines }: Program, cli: Command): Promise<void> {
  const { configFile } = await import('./config.ts')
  const memory = `${Math.round(totalmem() / 1024 ** 3)} GiB of memory`
  const lines = [
    `${cli.name()} ${VERSION}`,
    `node ${process.version}`,
    `${platform()} ${release()} ${arch()}, ${availableParallelism()} CPUs, ${memory}`,
    `settings file: ${configFile(cli) ?? 'none'}`,
    ...((await aboutLines?.()) ?? []),
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}

function writeStack(error: unknown): void {
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  const lines = stack.split('\n').map((line) => `  ${printable(line)}`)
  process.stderr.write(`${lines.join('\n')}\n`)
}

/** Ends the program quietly when standard output is closed (`… | head`). A closed standard error is ignored. */
function endQuietlyOnClosedPipe(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(EXIT.done)
  })
  process.stderr.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
}
