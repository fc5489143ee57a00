import type { Option } from 'commander'
import { isSetting, nameOf } from './file-options.ts'
import { printable } from './printable.ts'

interface SettingRow {
  option: Option
  /** As commander knows it. */
  source: string | undefined
  value: unknown
  /** What its variable says. */
  variable: string | null
  /** What the file says. */
  inFile: unknown
  /** The value where nobody says anything, when it depends on the machine. */
  found: string | null
}

export interface SettingsToShow {
  file: string | null
  rows: readonly SettingRow[]
  /** Variables that hold secrets. */
  held: readonly { name: string; isSet: boolean }[]
}

/** A table for people, or JSON. */
export function shownSettings({ file, rows, held }: SettingsToShow, json: boolean): string {
  const all = [
    ...rows.map((row) => {
      const { value, from } = valueAndSource(row, file)
      return { setting: nameOf(row.option), value: withoutPassword(value), from }
    }),
    ...held.map(({ name, isSet }) => ({
      setting: name,
      value: isSet ? '(set, not shown)' : null,
      from: isSet ? `variable ${name}` : NOT_SET,
    })),
  ]
  if (json) return `${JSON.stringify({ file, settings: all }, null, 2)}\n`
  const width = (pick: (one: (typeof all)[number]) => string): number =>
    Math.max(...all.map((one) => pick(one).length))
  const names = width(({ setting }) => setting)
  const values = Math.min(
    40,
    width(({ value }) => value ?? '-'),
  )
  const lines = all.map(({ setting, value, from }) =>
    [setting.padEnd(names), printable(value ?? '-').padEnd(values), from].join('  '),
  )
  return `settings file: ${file ?? 'none'}\n\n${lines.join('\n')}\n`
}

/** There is no value, and nothing is done without one. */
const NOT_SET = 'not set'

function valueAndSource(
  { option, source, value, variable, inFile, found }: SettingRow,
  file: string | null,
): { value: string | null; from: string } {
  switch (source) {
    case 'cli':
      return { value: textOf(value), from: `flag ${option.long}` }
    case 'env':
      return { value: variable ?? textOf(value), from: `variable ${option.envVar}` }
    case 'config':
      return { value: textOf(inFile), from: `file ${file}` }
    default: {
      const byDefault = found ?? defaultOf(option) ?? describedDefault(option)
      return { value: byDefault, from: byDefault === null ? NOT_SET : 'default' }
    }
  }
}

/** What help says of it: `looked for in PATH` of `the engine's program (default: looked for in PATH)`. */
function describedDefault(option: Option): string | null {
  if (option.isBoolean()) return 'false'
  return /\(default: ([^()]+)\)/.exec(option.description)?.[1] ?? null
}

/** A settings file with everything in it, nothing set. */
export function templateOf(section: string, options: readonly Option[]): string {
  const entries = options.filter(isSetting).map((option) => {
    const value = defaultOf(option)
    const example = option.isBoolean() ? 'false' : JSON.stringify(value ?? '')
    return `# ${option.description}\n# ${nameOf(option)} = ${example}\n`
  })
  return `# Settings of morag-${section}. A flag wins over its variable, a variable over this file.\n\n[${section}]\n\n${entries.join('\n')}`
}

/** Null: there is none. */
function defaultOf(option: Option): string | null {
  if (option.defaultValueDescription !== undefined) return option.defaultValueDescription
  return option.defaultValue === undefined ? null : textOf(option.defaultValue)
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
