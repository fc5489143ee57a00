import { Command } from 'commander'
import {
  configPlaces,
  findConfigFile,
  readConfigFile,
  type FileSettings,
  type Section,
} from './config-file.ts'
import { AppError } from './errors.ts'
import { applyFile, unknownNames } from './file-options.ts'
import { setting } from './settings.ts'

/** A program that can be set by a file. */
export interface Configured {
  section: Section
  /** Adds every setting of the program to a command. */
  addSettings: (command: Command) => unknown
}

/** Lets a program's settings come from a file as well: flags and variables win over it, and it over the defaults. */
export function useConfigFile(cli: Command, load: () => Promise<Configured>): void {
  cli.addOption(setting('--config <file>', 'file with settings (morag.toml)', 'MORAG_CONFIG'))
  cli.hook('preAction', async (_, command) => {
    // These look at a file that may be wrong.
    if (command.parent?.name() === 'config' && command.name() !== 'show') return
    const file = configFile(cli)
    if (file === null) return
    const configured = await load()
    const settings = readConfigFile(file, configured.section)
    const [problem] = unknownNames(settings, allSettings(configured))
    if (problem !== undefined) throw new AppError('usage', problem)
    applyFile(command, settings)
  })
}

/** The settings file of this run, or null. */
export function configFile(cli: Command): string | null {
  const named = cli.opts()['config'] as string | undefined
  return findConfigFile(named, process.env)
}

/** Where a settings file is looked for. */
export function places(): string[] {
  return configPlaces(process.env)
}

/** Everything that is wrong with a file, as sentences. @throws {AppError} `usage` when it cannot be read at all. */
export function problemsOf(file: string, configured: Configured): string[] {
  const settings = readConfigFile(file, configured.section)
  const command = allSettings(configured)
  const problems = unknownNames(settings, command)
  for (const [key, value] of Object.entries(settings.values)) {
    try {
      applyFile(command, { file, values: { [key]: value } })
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      problems.push(error.message)
    }
  }
  return problems
}

export function allSettings({ addSettings }: Configured): Command {
  const command = new Command()
  addSettings(command)
  return command
}

/** What a variable says, as it stands there; null: nothing. */
export function variable(name: string | undefined): string | null {
  return (name !== undefined && process.env[name]) || null
}

/** The values of the run's settings file, or none. */
export function fileSettings(cli: Command, section: Section): FileSettings | null {
  const file = configFile(cli)
  return file === null ? null : readConfigFile(file, section)
}
