import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Command } from 'commander'
import {
  addAllSettings,
  configFile,
  places,
  problemsOf,
  variable,
  type Configured,
} from './config.ts'
import { readConfigFile } from './config-file.ts'
import { AppError, EXIT, isSystemError } from './errors.ts'
import { printable } from './printable.ts'
import { shownSettings, templateOf } from './shown-settings.ts'

export interface ConfigCommands {
  configured: Configured
  /** Variables of secrets, whose values are not shown. */
  secrets: readonly string[]
  /** By name of a setting, the defaults that depend on the machine. */
  defaults: () => Readonly<Record<string, string>>
}

export function addConfigCommands(
  cli: Command,
  { configured, secrets, defaults }: ConfigCommands,
): void {
  const program = cli.name()
  const { section, tables } = configured
  const config = cli
    .command('config')
    .description('show, write and check the settings')
    .addHelpText(
      'after',
      `
Examples:
  ${program} config show                 prints every setting, its value and where that comes from
  ${program} config init                 writes a morag.toml with every setting, commented out
  ${program} config check ./morag.toml   reports unknown names and wrong values

A flag wins over its variable, a variable over the file, the file over the default. The file is the one of --config or
MORAG_CONFIG, else the first of these: ${places().join(', ')}
`,
    )
  const show = config
    .command('show')
    .description('print every setting, its value and where that comes from; takes the flags, too')
    .option('--json', 'for programs: a list of objects')
  addAllSettings(show, configured).action((flags: { json?: boolean }) => {
    const file = configFile(cli)
    const settings = file === null ? null : readConfigFile(file, section)
    const shown = { tables, command: show, file: settings, secrets, defaults: defaults(), variable }
    process.stdout.write(shownSettings(shown, flags.json === true))
  })
  config
    .command('init')
    .description('write a file with every setting, commented out')
    .option('--output <file>', `where to (default: ${places()[0]})`)
    .option('--force', 'replace the file that is there')
    .action(async ({ output, force }: { output?: string; force?: boolean }) => {
      const target = path.resolve(output ?? configFile(cli) ?? places()[0]!)
      await write(target, templateOf(section, tables), force === true)
      process.stdout.write(`${target}\n`)
    })
  config
    .command('check')
    .argument('[file]', 'the file to check (default: the one in use)')
    .description('report what is wrong with a settings file')
    .action((named: string | undefined) => {
      const file = named ?? configFile(cli)
      if (file === null)
        throw new AppError('usage', 'There is no settings file: write one with config init.')
      const problems = problemsOf(file, configured)
      if (problems.length > 0) {
        process.stderr.write(`${problems.map((one) => printable(one)).join('\n')}\n`)
        process.exitCode = EXIT.usage
        return
      }
      process.stdout.write(`${file}: no problems found.\n`)
    })
}

async function write(target: string, text: string, replace: boolean): Promise<void> {
  await mkdir(path.dirname(target), { recursive: true })
  try {
    await writeFile(target, text, { flag: replace ? 'w' : 'wx' })
  } catch (error) {
    if (!isSystemError(error, 'EEXIST')) throw error
    const message = `There is a file ${target} already: edit it, or replace it with --force.`
    throw new AppError('usage', message, { cause: error })
  }
}
