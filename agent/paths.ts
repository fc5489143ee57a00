import { homedir } from 'node:os'
import path from 'node:path'
import { childEnv } from '../shared/child-env.ts'

/** Where models live: `MORAG_MODELS_DIR`, else `morag/models` in the user's cache folder. */
export function modelsDir(): string {
  return setting('MORAG_MODELS_DIR') ?? path.join(cacheDir(), 'models')
}

/** What can be made again: `$XDG_CACHE_HOME/morag`, else `~/.cache/morag`. */
export function cacheDir(): string {
  return path.join(setting('XDG_CACHE_HOME') ?? path.join(homedir(), '.cache'), 'morag')
}

/** What has to outlive a run: `$XDG_STATE_HOME/morag`, else `~/.local/state/morag`. */
export function stateDir(): string {
  return path.join(setting('XDG_STATE_HOME') ?? path.join(homedir(), '.local', 'state'), 'morag')
}

/**
 * Where the key that `register` got from a coordinator is kept: `morag/keys/<host>` in `$XDG_CONFIG_HOME`, else in
 * `~/.config`. One for each, so that what belongs to one never goes to another.
 */
export function keyFileFor(coordinator: string): string {
  const { origin, pathname } = new URL(coordinator)
  const name = encodeURIComponent(`${origin}${pathname}`.replace(/\/+$/, ''))
  const config = setting('XDG_CONFIG_HOME') ?? path.join(homedir(), '.config')
  return path.join(config, 'morag', 'keys', name)
}

/** What the npm client needs beside that; kept from everything else, as it may hold registry tokens. */
const NPM = /^(npm_config_|(https?|no|all)_proxy$)/i

/** The environment of the npm client: a child's, with npm's own settings and the proxy's. */
export function npmEnv(extra: Record<string, string> = {}): Record<string, string> {
  return childEnv(extra, (name) => NPM.test(name))
}

function setting(name: string): string | undefined {
  const value = process.env[name]
  return value === undefined || value === '' ? undefined : value
}
