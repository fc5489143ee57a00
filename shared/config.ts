import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import { Command } from 'commander'
import { applyFile, readConfigFile, unknownNames, type Section } from './config-file.ts'
import { AppError } from './errors.ts'
import { addSettings, dropEmptyVariables, optionOf, type SettingTable } from './settings.ts'

export interface Configured {
  section: Section
  tables: readonly SettingTable[]
}

const CONFIG = {
  flag: '--config <file>',
  env: 'MORAG_CONFIG',
  help: 'file with settings (morag.toml)',
}

/** Reads a program's settings from a file as well. Flags and variables win over the file, the file over defaults. */
export function useConfigFile(cli: Command, load: () => Promise<Configured>): void {
  cli.addOption(optionOf(CONFIG))
  cli.hook('preAction', async (_, command) => {
    // These must also work with an invalid file.
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

/** Adds every setting of a program to a command that takes them from the environment as well. */
export function addAllSettings<C extends Command>(command: C, { tables }: Configured): C {
  dropEmptyVariables(process.env, tables)
  return addSettings(command, ...tables)
}

/** The file of `--config`, else the first that exists; null: none. */
export function configFile(cli: Command): string | null {
  const named = cli.opts()['config'] as string | undefined
  if (named !== undefined) return path.resolve(named)
  return places().find((file) => existsSync(file)) ?? null
}

/**
 * Where a settings file is looked for, in order. Not in the working folder: a file that others left there would choose
 * which programs the agent runs.
 */
export function places(): string[] {
  const home = process.env['XDG_CONFIG_HOME'] || path.join(homedir(), '.config')
  return [path.join(home, 'morag', 'morag.toml'), '/etc/morag/morag.toml']
}

/** All problems of a file, as sentences. @throws {AppError} `usage` when it cannot be read. */
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

function allSettings({ tables }: Configured): Command {
  return addSettings(new Command(), ...tables)
}

export function variable(name: string): string | null {
  return process.env[name] || null
}
