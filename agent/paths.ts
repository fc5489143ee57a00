import { homedir } from 'node:os'
import path from 'node:path'
import { childEnv } from '../shared/child-env.ts'

/** `MORAG_MODELS_DIR`, else `morag/models` in the user's cache folder. */
export function modelsDir(): string {
  return setting('MORAG_MODELS_DIR') ?? path.join(cacheDir(), 'models')
}

/** For files that can be fetched again: `$XDG_CACHE_HOME/morag`, else `~/.cache/morag`. */
export function cacheDir(): string {
  return path.join(setting('XDG_CACHE_HOME') ?? path.join(homedir(), '.cache'), 'morag')
}

/** For files that must outlive a run: `$XDG_STATE_HOME/morag`, else `~/.local/state/morag`. */
export function stateDir(): string {
  return path.join(setting('XDG_STATE_HOME') ?? path.join(homedir(), '.local', 'state'), 'morag')
}

/**
 * Where `register` keeps the key for a coordinator: in `morag/keys` in `$XDG_CONFIG_HOME`, else in `~/.config`. One file
 * for each coordinator, so that no key is sent to another.
 */
export function keyFileFor(coordinator: string): string {
  const { origin, pathname } = new URL(coordinator)
  const name = encodeURIComponent(`${origin}${pathname}`.replace(/\/+$/, ''))
  const config = setting('XDG_CONFIG_HOME') ?? path.join(homedir(), '.config')
  return path.join(config, 'morag', 'keys', name)
}

/** Only for the npm client: it may hold registry tokens. */
const NPM = /^(npm_config_|(https?|no|all)_proxy$)/i

/** The environment of the npm client: a child's, with the settings of npm and of proxies. */
export function npmEnv(extra: Record<string, string> = {}): Record<string, string> {
  return childEnv(extra, (name) => NPM.test(name))
}

function setting(name: string): string | undefined {
  const value = process.env[name]
  return value === undefined || value === '' ? undefined : value
}
