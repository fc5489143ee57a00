import { Option } from 'commander'
import { AppError } from './errors.ts'

/** A setting that has a flag and a variable; the flag wins. */
export function setting(flags: string, text: string, variable: string): Option {
  return new Option(flags, text).env(variable)
}

/** A variable that is set to nothing counts as not set, and one of `switches` that says no as well. */
export function dropEmptyVariables(
  environment: NodeJS.ProcessEnv,
  switches: readonly string[] = [],
): void {
  for (const [name, value] of Object.entries(environment)) {
    if (name.startsWith('MORAG_') && value?.trim() === '') delete environment[name]
    if (switches.includes(name) && /^(0|false|no|off)$/i.test(value?.trim() ?? '')) {
      delete environment[name]
    }
  }
}

/** Reads a whole number. @throws {AppError} `usage` */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (/^\d+$/.test(text.trim()) && value >= least && value <= most) return value
    throw new AppError('usage', `'${text}' is not a whole number from ${least} to ${most}.`)
  }
}
