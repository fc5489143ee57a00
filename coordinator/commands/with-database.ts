import { AppError } from '../../shared/errors.ts'
import { databaseUrlIn } from '../config.ts'
import { databaseAddress } from '../storage/postgres/address.ts'
import { Database } from '../storage/postgres/database.ts'

/** Works on the database that the flags name. @throws {AppError} `usage` when they name none. */
export async function withDatabase<T>(
  flags: Readonly<Record<string, unknown>>,
  work: (database: Database) => Promise<T>,
): Promise<T> {
  const url = databaseUrlIn(flags)
  if (url === null)
    throw new AppError('usage', 'Name the database: --database-url (MORAG_DATABASE_URL).')
  const database = new Database({ address: databaseAddress(url), poolSize: 2 })
  try {
    return await work(database)
  } finally {
    await database.close()
  }
}
