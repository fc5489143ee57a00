import type { Command } from 'commander'
import { AppError, EXIT, messageOf } from '../../shared/errors.ts'
import { toWire } from '../../shared/keys.ts'
import { addSettings } from '../../shared/setting-table.ts'
import { ADMIN } from '../settings.ts'
import { printable } from '../../shared/printable.ts'
import { AdminClient } from './client.ts'
import { adminSettings } from './config.ts'

/** The flags of every command that talks with a coordinator. */
export interface AdminFlags {
  url: string
  apiKeyFile?: string
  json?: boolean
}

/** Gives a command its flags, and the client for the time it runs; what it returns is printed: text, or an object. */
export function adminAction<A extends unknown[], F extends AdminFlags>(
  command: Command,
  act: (client: AdminClient, flags: F, ...args: A) => Promise<{ text: string; value: unknown }>,
): Command {
  addSettings(command, ADMIN).option('--json', 'for programs')
  return command.action(async (...given: unknown[]) => {
    // commander: the arguments, then the flags, then the command.
    const flags = given.at(-2) as F
    const client = new AdminClient(adminSettings(flags))
    try {
      const { text, value } = await act(client, flags, ...(given.slice(0, -2) as A))
      const json = `${JSON.stringify(toWire(value), null, 2)}\n`
      process.stdout.write(flags.json === true ? json : text)
    } finally {
      await client.close()
    }
  })
}

/** Does something to each of several, whatever becomes of the others. What failed is told, and makes the exit code. */
export async function forEach<T>(
  ids: readonly string[],
  act: (id: string) => Promise<T>,
): Promise<T[]> {
  const done: T[] = []
  for (const id of ids) {
    try {
      done.push(await act(id))
    } catch (error) {
      if (!(error instanceof AppError) || ids.length === 1) throw error
      process.stderr.write(`${printable(messageOf(error))}\n`)
      process.exitCode = EXIT.failed
    }
  }
  return done
}
