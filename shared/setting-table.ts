import { InvalidArgumentError, Option, type Command } from 'commander'
import { AppError } from './errors.ts'

/**
 * A setting: all that is said of it. Its flag, its line in `--help`, its variable, its key in the settings file, its value
 * in the program and its row in shared/docs/settings.md come from here.
 */
export interface Setting {
  /** As commander writes them: `--port <number>`; without `<…>` it is a switch. */
  flag: string
  env: string
  help: string
  /**
   * Reads a text. `before`: what earlier ones gave, where the flag may be repeated. Infinity stands for "no limit" and
   * becomes null. Left out: the text itself, or one of `choices`.
   * @throws {AppError} `usage` with a sentence; commander puts the flag or the variable before it.
   */
  parse?: (text: string, before?: never) => unknown
  choices?: readonly string[]
  default?: unknown
  /** The default, for people; where it is found out on the machine, what decides it. */
  defaultText?: string
  /** The value may hold a password, which commander's sentence would repeat: that of `parse` names the setting. */
  isPrivate?: true
  /** Markdown for that row, where it says more than `help`; links start at the root of the project. */
  doc?: string
}

/** A variable without a flag. */
export interface Secret {
  env: string
  /** Markdown. */
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

/** The values of a table's settings; null: not set, and without a default. A switch is true or false. */
export type ValuesOf<Table extends SettingTable> = {
  readonly [Key in keyof Table]: Read<Table[Key]> extends true
    ? boolean
    : Table[Key] extends { default: unknown }
      ? Read<Table[Key]>
      : Read<Table[Key]> | null
}

/** Gives a command the flags of a table. */
export function addSettings<C extends Command>(command: C, ...tables: readonly SettingTable[]): C {
  for (const table of tables)
    for (const setting of Object.values(table)) command.addOption(optionOf(setting))
  return command
}

/** Picks a table's values from what commander has read. */
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

/** Whether a setting is on or off, and takes no text. */
export function isSwitch({ flag }: Setting): boolean {
  return !flag.includes('<')
}

/** A setting as commander's option: for commands that take some settings of a table. */
export function optionOf({
  flag,
  env,
  help,
  parse,
  choices,
  isPrivate,
  defaultText,
  ...rest
}: Setting): Option {
  const found = rest.default === undefined && defaultText !== undefined
  const option = new Option(flag, found ? `${help} (default: ${defaultText})` : help).env(env)
  if (choices !== undefined) option.choices(choices)
  if (parse !== undefined) {
    option.argParser((text: string, before: unknown) => {
      try {
        // The default is no earlier text.
        return parse(text, (before === rest.default ? undefined : before) as never)
      } catch (error) {
        if (!(error instanceof AppError)) throw error
        throw isPrivate ? error : new InvalidArgumentError(error.message)
      }
    })
  }
  if (rest.default !== undefined) option.default(rest.default, defaultText)
  return option
}
