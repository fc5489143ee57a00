import { readFileSync } from 'node:fs'
import { InvalidArgumentError, type Command, type Option } from 'commander'
import { closest, distance } from 'fastest-levenshtein'
import { parse, TomlError } from 'smol-toml'
import { AppError, messageOf } from './errors.ts'

export type Section = 'agent' | 'coordinator'

/** One program's table: names of flags, with `-` or `_`, and their values. */
export interface FileSettings {
  file: string
  values: Record<string, unknown>
}

const SECTIONS: readonly string[] = ['agent', 'coordinator'] satisfies Section[]

/**
 * One program's settings in a file (TOML 1.0, a table for each program).
 * @throws {AppError} `usage` with the line when it cannot be read, or has an unknown table.
 */
export function readConfigFile(file: string, section: Section): FileSettings {
  const root = parsed(file)
  const stray = Object.keys(root).find((name) => !SECTIONS.includes(name))
  if (stray !== undefined) {
    const message = `${file}: '${stray}' is in no table: settings go below [agent] or [coordinator].`
    throw new AppError('usage', message)
  }
  const values = root[section] ?? {}
  if (typeof values !== 'object' || Array.isArray(values)) {
    throw new AppError('usage', `${file}: '${section}' must be a table: write [${section}].`)
  }
  return { file, values: { ...values } }
}

function parsed(file: string): Record<string, unknown> {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const message = `The settings file ${file} cannot be read (--config, MORAG_CONFIG): ${messageOf(error)}.`
    throw new AppError('usage', message, { cause: error })
  }
  try {
    return parse(text)
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    const why = error.message.split('\n')[0]?.replace(/^Invalid TOML document: /, '')
    const message = `${file}, line ${error.line}, column ${error.column}: ${why}.`
    throw new AppError('usage', message, { cause: error })
  }
}

/** Names that are further apart than this are not typing errors. */
const NEAR = 3

function isSetting(option: Option): boolean {
  return option.envVar !== undefined && option.long !== '--config'
}

/**
 * Sets a command's options from a file, where neither a flag nor a variable does. Names that the command does not have
 * are ignored.
 * @throws {AppError} `usage` for an invalid value.
 */
export function applyFile(command: Command, { file, values }: FileSettings): void {
  for (const [key, value] of Object.entries(values)) {
    const option = command.options.find((one) => isSetting(one) && nameOf(one) === flagName(key))
    if (option === undefined) continue
    const name = option.attributeName()
    const read = valueOf(option, value, `${file}: ${key}`)
    const source = command.getOptionValueSource(name)
    if (source === undefined || source === 'default')
      command.setOptionValueWithSource(name, read, 'config')
  }
}

/** A sentence for each name that the command does not have, with the nearest one. */
export function unknownNames({ file, values }: FileSettings, command: Command): string[] {
  const known = command.options.filter(isSetting).map(nameOf)
  return Object.keys(values)
    .filter((key) => !known.includes(flagName(key)))
    .map((key) => {
      if (/key$|token$|secret$|password$/.test(flagName(key)))
        return `${file}: '${key}' is not a setting: put secrets into files of their own, and name those here.`
      const nearest = closest(flagName(key), known)
      const hint = distance(flagName(key), nearest) <= NEAR ? `: did you mean '${nearest}'?` : '.'
      return `${file}: there is no setting '${key}'${hint}`
    })
}

function nameOf(option: Option): string {
  return option.long!.replace(/^--/, '')
}

/** The value in a file. @param name as in the flag. */
export function valueIn({ values }: FileSettings, name: string): unknown {
  return Object.entries(values).find(([key]) => flagName(key) === name)?.[1]
}

function flagName(key: string): string {
  return key.replaceAll('_', '-')
}

/** Parsed like a flag: a list is the flag repeated, a table its `name=value`. */
function valueOf(option: Option, value: unknown, where: string): unknown {
  if (option.isBoolean()) {
    if (typeof value === 'boolean') return value
    throw new AppError('usage', `${where} must be true or false.`)
  }
  let read: unknown
  for (const text of textsOf(value, where)) {
    try {
      read = option.parseArg === undefined ? text : option.parseArg(text, read)
    } catch (error) {
      if (!(error instanceof InvalidArgumentError || error instanceof AppError)) throw error
      throw new AppError('usage', `${where}: ${messageOf(error)}`, { cause: error })
    }
  }
  return read
}

function textsOf(value: unknown, where: string): string[] {
  if (typeof value === 'string') return [value]
  if (typeof value === 'number' || typeof value === 'bigint') return [String(value)]
  if (Array.isArray(value)) return value.flatMap((one) => textsOf(one, where))
  if (typeof value === 'object' && value !== null && !(value instanceof Date))
    return Object.entries(value).map(([name, one]) => `${name}=${textsOf(one, where).join()}`)
  throw new AppError('usage', `${where} must be a text, a number, or a list of them.`)
}
