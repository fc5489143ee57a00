import type { Command } from 'commander'
import { AppError, EXIT, messageOf } from '../../shared/errors.ts'
import { toWire } from '../../shared/keys.ts'
import { addSettings } from '../../shared/settings.ts'
import { ADMIN } from '../settings.ts'
import { printable } from '../../shared/printable.ts'
import { AdminClient } from './client.ts'
import { adminSettings } from '../config.ts'

/** The flags of every command that queries a running coordinator. */
export interface AdminFlags {
  url: string
  apiKeyFile?: string
  json?: boolean
}

/** Adds the connection flags and `--json` to a command, and prints what `act` returns: `text`, or `value` as JSON. */
export function adminAction<A extends unknown[], F extends AdminFlags>(
  command: Command,
  act: (client: AdminClient, flags: F, ...args: A) => Promise<{ text: string; value: unknown }>,
): Command {
  addSettings(command, ADMIN).option('--json', 'print JSON')
  return command.action(async (...given: unknown[]) => {
    // commander passes the arguments, the flags, and the command.
    const flags = given.at(-2) as F
    await withClient(flags, async (client) => {
      const { text, value } = await act(client, flags, ...(given.slice(0, -2) as A))
      const json = `${JSON.stringify(toWire(value), null, 2)}\n`
      process.stdout.write(flags.json === true ? json : text)
    })
  })
}

export async function withClient(
  flags: object,
  use: (client: AdminClient) => Promise<void>,
): Promise<void> {
  const client = new AdminClient(adminSettings(flags))
  try {
    await use(client)
  } finally {
    await client.close()
  }
}

/** Applies an action to each id. A failure among several is printed, sets the exit code, and does not stop the others. */
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
