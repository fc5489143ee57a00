import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Command } from 'commander'
import {
  allSettings,
  configFile,
  fileSettings,
  places,
  problemsOf,
  variable,
  type Configured,
} from './config.ts'
import { AppError, EXIT, isSystemError } from './errors.ts'
import { inFile, isSetting, nameOf } from './file-options.ts'
import { printable } from './printable.ts'
import { shownSettings, templateOf } from './shown-settings.ts'

export interface ConfigCommands {
  configured: Configured
  /** Variables that hold secrets: whether they are set is shown, what they hold is not. */
  secrets: readonly string[]
  /** By the names of settings, the defaults that depend on the machine. */
  defaults: () => Readonly<Record<string, string>>
}

/** Adds `config show`, `config init` and `config check`. */
export function addConfigCommands(
  cli: Command,
  { configured, secrets, defaults }: ConfigCommands,
): void {
  const program = cli.name()
  const config = cli
    .command('config')
    .description('show, write and check the settings')
    .addHelpText(
      'after',
      `
Examples:
  ${program} config show                 every setting with its value, also a default, and where it comes from
  ${program} config init                 writes a morag.toml with every setting in it, commented out
  ${program} config check ./morag.toml   unknown names and wrong values, before they do harm

A flag wins over its variable, a variable over the file, the file over the default. The file is the one of --config or
MORAG_CONFIG, else the first of these: ${places().join(', ')}
`,
    )
  const show = config
    .command('show')
    .description('every setting, its value, and where it comes from; takes the flags, too')
    .option('--json', 'for programs: a list of objects')
  configured.addSettings(show)
  show.action((flags: { json?: boolean }) => {
    const file = fileSettings(cli, configured.section)
    const held = secrets.map((name) => ({ name, isSet: variable(name) !== null }))
    const options = show.options.filter(isSetting)
    const found = defaults()
    const rows = options.map((option) => ({
      option,
      source: show.getOptionValueSource(option.attributeName()),
      value: show.getOptionValue(option.attributeName()) as unknown,
      variable: variable(option.envVar),
      inFile: file === null ? undefined : inFile(option, file),
      found: found[nameOf(option)] ?? null,
    }))
    process.stdout.write(
      shownSettings({ file: file?.file ?? null, rows, held }, flags.json === true),
    )
  })
  config
    .command('init')
    .description('write a file with every setting in it, commented out')
    .option('--output <file>', `where to (default: ${places()[0]})`)
    .option('--force', 'replace the file that is there')
    .action(async ({ output, force }: { output?: string; force?: boolean }) => {
      const target = path.resolve(output ?? configFile(cli) ?? places()[0]!)
      await write(
        target,
        templateOf(configured.section, allSettings(configured).options),
        force === true,
      )
      process.stdout.write(`${target}\n`)
    })
  config
    .command('check')
    .argument('[file]', 'the file to look at (default: the one that counts)')
    .description('say what is wrong with a settings file')
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
      process.stdout.write(`${file}: nothing is wrong with it.\n`)
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
