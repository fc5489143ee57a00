import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import { parse, TomlError } from 'smol-toml'
import { AppError, messageOf } from './errors.ts'

/** The part of the file that is one program's. */
export type Section = 'agent' | 'coordinator'

/** What a file sets for one program: the names of flags, `-` or `_` between words, and their values. */
export interface FileSettings {
  file: string
  values: Record<string, unknown>
}

const SECTIONS: readonly string[] = ['agent', 'coordinator'] satisfies Section[]

/**
 * Where settings are looked for, in this order. Not the working folder: whoever may leave a file there would choose
 * what programs the agent runs.
 */
export function configPlaces(environment: NodeJS.ProcessEnv): string[] {
  const home = environment['XDG_CONFIG_HOME'] || path.join(homedir(), '.config')
  return [path.join(home, 'morag', 'morag.toml'), '/etc/morag/morag.toml']
}

/** The file that counts: the one that is named, else the first that is there; null: none. */
export function findConfigFile(
  named: string | undefined,
  environment: NodeJS.ProcessEnv,
): string | null {
  if (named !== undefined) return path.resolve(named)
  return configPlaces(environment).find((file) => existsSync(file)) ?? null
}

/**
 * One program's settings in a file (TOML 1.0, a table for each program).
 * @throws {AppError} `usage` with the line when it cannot be read, or has a table of nobody's.
 */
export function readConfigFile(file: string, section: Section): FileSettings {
  const root = parsed(file)
  const stray = Object.keys(root).find((name) => !SECTIONS.includes(name))
  if (stray !== undefined) {
    const message = `${file}: '${stray}' stands in no table: settings go below [agent] or [coordinator].`
    throw new AppError('usage', message)
  }
  const values = root[section] ?? {}
  if (typeof values !== 'object' || Array.isArray(values)) {
    throw new AppError('usage', `${file}: '${section}' has to be a table: write [${section}].`)
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
