import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { AppError } from '../../../shared/errors.ts'
import type { Ask, Database, Statement } from './database.ts'

/** A step of the schema, in the order of the numbers. */
export interface Migration {
  number: number
  name: string
  text: string
  sha256: string
}

const FOLDER = fileURLToPath(new URL('migrations', import.meta.url))
/** Of the lock that one migration at a time holds: any number that nobody else takes. */
const LOCK = 6_672_407

const HAS_TABLE: Statement = {
  name: 'has_migrations',
  text: `SELECT to_regclass('morag.migrations') IS NOT NULL AS found`,
}
const DONE: Statement = {
  name: 'migrations_done',
  text: 'SELECT number, sha256 FROM morag.migrations ORDER BY number',
}
const NOTE: Statement = {
  name: 'migration_done',
  text: 'INSERT INTO morag.migrations (number, name, sha256) VALUES ($1, $2, $3)',
}
const BEGIN = `
  CREATE SCHEMA IF NOT EXISTS morag;
  CREATE TABLE IF NOT EXISTS morag.migrations (
    number int PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL, at timestamptz NOT NULL DEFAULT now()
  )`

/** The steps that this version knows. */
export async function migrations(folder = FOLDER): Promise<Migration[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).toSorted()
  return await Promise.all(
    names.map(async (name) => {
      const text = await readFile(path.join(folder, name), 'utf8')
      const sha256 = createHash('sha256').update(text).digest('hex')
      return { number: Number.parseInt(name, 10), name: path.parse(name).name, text, sha256 }
    }),
  )
}

/**
 * Brings the schema up to date, each step in a transaction of its own.
 * @param isDryRun only looks.
 * @returns the steps that were missing.
 * @throws {AppError} `usage` when the schema is newer than this version, or was changed by hand.
 */
export async function migrate(
  database: Database,
  { isDryRun = false, known }: { isDryRun?: boolean; known?: readonly Migration[] } = {},
): Promise<Migration[]> {
  const all = known ?? (await migrations())
  const missing = missingOf(all, await database.transaction(done), database.label)
  if (isDryRun) return missing
  for (const migration of missing)
    await database.transaction(async (ask) => {
      await ask({ name: '', text: `SELECT pg_advisory_xact_lock(${LOCK})` })
      // Another may have done it meanwhile.
      if (!missingOf(all, await done(ask), database.label).includes(migration)) return
      const { number, name, sha256, text } = migration
      await ask({ name: '', text: BEGIN })
      await ask({ name: '', text: text })
      await ask(NOTE, [number, name, sha256])
    })
  return missing
}

/** @throws {AppError} `usage` unless the schema is as this version needs it. */
export async function checkSchema(database: Database): Promise<void> {
  const missing = missingOf(await migrations(), await database.transaction(done), database.label)
  if (missing.length === 0) return
  const message = `The database ${database.label} lacks ${missing.map(({ name }) => name).join(', ')}: run morag-coordinator migrate.`
  throw new AppError('usage', message)
}

interface Done {
  number: number
  sha256: string
}

async function done(ask: Ask): Promise<Done[]> {
  const [has] = await ask<{ found: boolean }>(HAS_TABLE)
  return has!.found ? await ask<Done>(DONE) : []
}

function missingOf(known: readonly Migration[], past: readonly Done[], label: string): Migration[] {
  for (const { number, sha256 } of past) {
    const same = known.find((one) => one.number === number)
    if (same === undefined)
      throw new AppError(
        'usage',
        `The database ${label} is at migration ${number}, which this version does not know: run a newer one.`,
      )
    if (same.sha256 !== sha256)
      throw new AppError(
        'usage',
        `The database ${label} was made by another ${same.name} than this version has: go back to the version that made it.`,
      )
  }
  const numbers = new Set(past.map(({ number }) => number))
  return known.filter(({ number }) => !numbers.has(number))
}
