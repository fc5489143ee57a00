import { InvalidArgumentError, Option, type Command } from 'commander'
import { AppError } from './errors.ts'

/**
 * All about a setting: its flag, its line in `--help`, its variable, its key in the settings file, its value in the program
 * and its row in shared/docs/settings.md come from here.
 */
export interface Setting {
  /** As commander writes them: `--port <number>`; without `<…>` it is a switch. */
  flag: string
  env: string
  help: string
  /**
   * Reads a text. `before`: the value so far of a repeated flag. Infinity means "no limit" and becomes null. Left out: the
   * text itself, or one of `choices`.
   * @throws {AppError} `usage` with a sentence; commander prefixes the flag or the variable.
   */
  parse?: (text: string, before?: never) => unknown
  choices?: readonly string[]
  default?: unknown
  /** The default, for people; for one that depends on the machine, its source. */
  defaultText?: string
  /** May hold a password, which commander's message would repeat: that of `parse` must name the setting. */
  isPrivate?: true
  /** Markdown for that row, where it says more than `help`; links start at the root of the project. */
  doc?: string
}

/** A flag that no variable and no file can set. */
export type Flag = Omit<Setting, 'env' | 'doc'> & { env?: string }

export interface Secret {
  env: string
  doc: string
}

export type SettingTable = Readonly<Record<string, Setting>>

type Read<S extends Setting> = S extends { parse: (text: string, before?: never) => infer Value }
  ? Value
  : S extends { choices: readonly (infer Choice)[] }
    ? Choice
    : S extends { flag: `${string}<${string}` }
      ? string
      : true

/** Null: not set, and without a default. A switch is true or false. */
export type ValuesOf<Table extends SettingTable> = {
  readonly [Key in keyof Table]: Read<Table[Key]> extends true
    ? boolean
    : Table[Key] extends { default: unknown }
      ? Read<Table[Key]>
      : Read<Table[Key]> | null
}

export function addSettings<C extends Command>(command: C, ...tables: readonly SettingTable[]): C {
  for (const table of tables)
    for (const setting of Object.values(table)) command.addOption(optionOf(setting))
  return command
}

/** @param flags as commander has read them. */
export function valuesOf<Table extends SettingTable>(
  flags: Readonly<Record<string, unknown>>,
  table: Table,
): ValuesOf<Table> {
  const values = Object.entries(table).map(([key, setting]) => {
    const value = flags[new Option(setting.flag).attributeName()]
    if (isSwitch(setting)) return [key, value === true]
    return [key, value === Infinity || value === undefined ? null : value]
  })
  return Object.fromEntries(values) as ValuesOf<Table>
}

export function isSwitch({ flag }: Pick<Setting, 'flag'>): boolean {
  return !flag.includes('<')
}

/** Commander appends a default to the help; one that depends on the machine must be in it. */
export function helpOf({ help, default: value, defaultText }: Flag): string {
  const isFound = value === undefined && defaultText !== undefined
  return isFound ? `${help} (default: ${defaultText})` : help
}

/** A setting as commander's option; also for a flag without a variable. */
export function optionOf(setting: Flag): Option {
  const { flag, env, parse, choices, isPrivate, defaultText } = setting
  const option = new Option(flag, helpOf(setting))
  if (env !== undefined) option.env(env)
  if (choices !== undefined) option.choices(choices)
  if (parse !== undefined) {
    option.argParser((text: string, before: unknown) => {
      try {
        return parse(text, (before === setting.default ? undefined : before) as never)
      } catch (error) {
        if (!(error instanceof AppError)) throw error
        throw isPrivate ? error : new InvalidArgumentError(error.message)
      }
    })
  }
  if (setting.default !== undefined) option.default(setting.default, defaultText)
  return option
}

/** Removes empty variables, and those of switches that say no: commander takes any value for a yes. */
export function dropEmptyVariables(
  environment: NodeJS.ProcessEnv,
  tables: readonly SettingTable[],
): void {
  const settings = tables.flatMap((table) => Object.values(table))
  const switches = new Set(settings.filter(isSwitch).map(({ env }) => env))
  for (const [name, value = ''] of Object.entries(environment)) {
    const isEmpty = name.startsWith('MORAG_') && value.trim() === ''
    const isNo = switches.has(name) && /^(0|false|no|off)$/i.test(value.trim())
    if (isEmpty || isNo) delete environment[name]
  }
}

export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (/^\d+$/.test(text.trim()) && value >= least && value <= most) return value
    throw new AppError('usage', `'${text}' is not a whole number from ${least} to ${most}.`)
  }
}

const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** Python's names for levels, which the original's `MORAG_LOG_LEVEL` had. */
const PYTHON_LEVELS: Record<string, LogLevel> = { warning: 'warn', critical: 'error' }

export const LOG_LEVEL = {
  flag: '--log-level <level>',
  env: 'MORAG_LOG_LEVEL',
  help: 'how much to log: debug, info, warn or error',
  parse(text: string): LogLevel {
    const name = text.trim().toLowerCase()
    const level = PYTHON_LEVELS[name] ?? LOG_LEVELS.find((one) => one === name)
    if (level !== undefined) return level
    throw new AppError('usage', `'${text}' is none of ${LOG_LEVELS.join(', ')}.`)
  },
  default: 'info',
  doc: '`debug`, `info`, `warn` or `error`',
} as const satisfies Setting
