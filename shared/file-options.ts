import { InvalidArgumentError, type Command, type Option } from 'commander'
import { closest, distance } from 'fastest-levenshtein'
import type { FileSettings } from './config-file.ts'
import { AppError, messageOf } from './errors.ts'

/** Names that are further apart than this are no slip of the fingers. */
const NEAR = 3

/** An option that a file may set: one that a variable may, too. */
export function isSetting(option: Option): boolean {
  return option.envVar !== undefined && option.long !== '--config'
}

/**
 * Gives a command's options what a file says, where neither a flag nor a variable has.
 * @throws {AppError} `usage` for a value that does not fit; names that the command does not have are passed over.
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

/** What is wrong with a file's names: a sentence for each that the command does not know, with the nearest that it does. */
export function unknownNames({ file, values }: FileSettings, command: Command): string[] {
  const known = command.options.filter(isSetting).map(nameOf)
  return Object.keys(values)
    .filter((key) => !known.includes(flagName(key)))
    .map((key) => {
      if (/key$|token$|secret$|password$/.test(flagName(key)))
        return `${file}: '${key}' is not a setting: secrets do not belong in this file, the names of their files do.`
      const nearest = closest(flagName(key), known)
      const hint = distance(flagName(key), nearest) <= NEAR ? `: did you mean '${nearest}'?` : '.'
      return `${file}: there is no setting '${key}'${hint}`
    })
}

/** What a file says of an option, as it stands there. */
export function inFile(option: Option, { values }: FileSettings): unknown {
  const found = Object.entries(values).find(([key]) => flagName(key) === nameOf(option))
  return found?.[1]
}

/** The text of an option in a file: `data-dir` of `--data-dir`. */
export function nameOf(option: Option): string {
  return option.long!.replace(/^--/, '')
}

function flagName(key: string): string {
  return key.replaceAll('_', '-')
}

/** Read as a flag would be: a list is that flag several times, a table its `name=value`. */
function valueOf(option: Option, value: unknown, where: string): unknown {
  if (option.isBoolean()) {
    if (typeof value === 'boolean') return value
    throw new AppError('usage', `${where} has to be true or false.`)
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
  throw new AppError('usage', `${where} has to be a text, a number, or a list of them.`)
}
