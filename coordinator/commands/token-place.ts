import type { Command } from 'commander'
import { addSettings, valuesOf } from '../../shared/settings.ts'
import { timeOfDay } from '../../shared/time-of-day.ts'
import type { TokenStore } from '../access/token-store.ts'
import { Tokens } from '../access/tokens.ts'
import { TokensFile } from '../access/tokens-file.ts'
import { databaseUrlIn } from '../config.ts'
import { DATABASE } from '../connection-settings.ts'
import { DATA_DIR } from '../settings.ts'
import { refuseOwned } from '../storage/data-folder.ts'

/** Adds the flags that say where tokens are. */
export function addTokenPlace(command: Command): Command {
  return addSettings(command, DATA_DIR, DATABASE)
}

/** Works on the tokens of the place that the flags name. */
export async function withTokens<T>(
  flags: Readonly<Record<string, unknown>>,
  work: (tokens: Tokens, store: TokenStore) => Promise<T>,
): Promise<T> {
  const store = await placeOf(flags)
  try {
    return await work(new Tokens(store, timeOfDay), store)
  } finally {
    await store.close()
  }
}

async function placeOf(flags: Readonly<Record<string, unknown>>): Promise<TokenStore> {
  const url = databaseUrlIn(flags)
  if (url === null) {
    const { dataDir } = valuesOf(flags, DATA_DIR)
    await refuseOwned(dataDir)
    return new TokensFile(dataDir)
  }
  const { tokensOfDatabase } = await import('../access/database-tokens.ts')
  return await tokensOfDatabase(url)
}
