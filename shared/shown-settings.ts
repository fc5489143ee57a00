import { Option, type Command } from 'commander'
import { valueIn, type FileSettings } from './config-file.ts'
import { printable } from './printable.ts'
import { helpOf, isSwitch, type Setting, type SettingTable } from './settings.ts'

export interface SettingsToShow {
  tables: readonly SettingTable[]
  /** The command that has read flags, variables and the file. */
  command: Command
  file: FileSettings | null
  /** Names of variables that hold secrets: only whether they are set is shown. */
  secrets: readonly string[]
  /** By the names of settings, the defaults that depend on the machine. */
  defaults: Readonly<Record<string, string>>
  variable: (name: string) => string | null
}

interface Row {
  setting: string
  value: string | null
  from: string
}

const NOT_SET = 'not set'

export function shownSettings(shown: SettingsToShow, json: boolean): string {
  const { tables, secrets, variable } = shown
  const file = shown.file?.file ?? null
  const rows = [
    ...settingsIn(tables).map((setting) => rowOf(setting, shown)),
    ...secrets.map((name): Row => {
      const isSet = variable(name) !== null
      const value = isSet ? '(set, not shown)' : null
      return { setting: name, value, from: isSet ? `variable ${name}` : NOT_SET }
    }),
  ]
  if (json) return `${JSON.stringify({ file, settings: rows }, null, 2)}\n`
  const names = Math.max(...rows.map(({ setting }) => setting.length))
  const values = Math.min(40, Math.max(...rows.map(({ value }) => value?.length ?? 1)))
  const lines = rows.map(({ setting, value, from }) =>
    [setting.padEnd(names), printable(value ?? '-').padEnd(values), from].join('  '),
  )
  return `settings file: ${file ?? 'none'}\n\n${lines.join('\n')}\n`
}

function settingsIn(tables: readonly SettingTable[]): Setting[] {
  return tables.flatMap((table) => Object.values(table))
}

function rowOf(setting: Setting, shown: SettingsToShow): Row {
  const { value, from } = valueAndSource(setting, shown)
  return { setting: nameOf(setting), value: withoutPassword(value), from }
}

function valueAndSource(
  setting: Setting,
  { command, file, defaults, variable }: SettingsToShow,
): Omit<Row, 'setting'> {
  const key = new Option(setting.flag).attributeName()
  const name = nameOf(setting)
  const value: unknown = command.getOptionValue(key)
  switch (command.getOptionValueSource(key)) {
    case 'cli':
      return { value: textOf(value), from: `flag --${name}` }
    case 'env':
      return { value: variable(setting.env) ?? textOf(value), from: `variable ${setting.env}` }
    case 'config':
      return { value: textOf(valueIn(file!, name)), from: `file ${file!.file}` }
    default: {
      const byDefault = defaults[name] ?? defaultOf(setting)
      return { value: byDefault, from: byDefault === null ? NOT_SET : 'default' }
    }
  }
}

export function templateOf(section: string, tables: readonly SettingTable[]): string {
  const entries = settingsIn(tables).map((setting) => {
    const value = setting.default === undefined ? '' : defaultOf(setting)
    const example = isSwitch(setting) ? 'false' : JSON.stringify(value)
    return `# ${helpOf(setting)}\n# ${nameOf(setting)} = ${example}\n`
  })
  return `# Settings of morag-${section}. A flag wins over its variable, a variable over this file.\n\n[${section}]\n\n${entries.join('\n')}`
}

/** `data-dir` of `--data-dir <dir>`. */
function nameOf({ flag }: Setting): string {
  return flag.split(' ')[0]!.replace(/^--/, '')
}

function defaultOf(setting: Setting): string | null {
  return setting.defaultText ?? textOf(setting.default) ?? (isSwitch(setting) ? 'false' : null)
}

function textOf(value: unknown): string | null {
  if (value === undefined || value === null) return null
  if (Array.isArray(value)) return value.map((one) => textOf(one)).join(',')
  if (typeof value === 'object')
    return Object.entries(value)
      .map(([name, one]) => `${name}=${textOf(one)}`)
      .join(',')
  return String(value as string | number | boolean)
}

/** A proxy's address may hold a name and a password. */
function withoutPassword(value: string | null): string | null {
  return value?.replace(/(:\/\/)[^/?#\s]*@|^[^/?#\s]*:[^/?#\s]*@/g, '$1…@') ?? null
}
