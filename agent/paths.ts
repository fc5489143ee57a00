import { homedir } from 'node:os'
import path from 'node:path'

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

/** What a tool or an engine may know of our environment. Ours (`MORAG_*`) holds keys, so nothing is passed by default. */
const ALLOWED = new Set(
  (
    'PATH HOME USER LOGNAME LANG LANGUAGE TZ TMPDIR TMP TEMP LD_LIBRARY_PATH DYLD_LIBRARY_PATH ' +
    'OMP_NUM_THREADS SSL_CERT_FILE SSL_CERT_DIR NODE_EXTRA_CA_CERTS NODE_V8_COVERAGE'
  ).split(' '),
)
const ALLOWED_PREFIX = /^(LC_|XDG_|CUDA_|HIP_|ROCR_|HSA_|NVIDIA_|GGML_|ONEAPI_|ZE_)/

/** What the npm client needs beside that; kept from everything else, as it may hold registry tokens. */
const NPM = /^(npm_config_|(https?|no|all)_proxy$)/i

/** The environment of a child process: the allow-listed part of ours, then `extra`. */
export function childEnv(extra: Record<string, string> = {}): Record<string, string> {
  return { ...pick((name) => ALLOWED.has(name) || ALLOWED_PREFIX.test(name)), ...extra }
}

/** The environment of the npm client: a child's, with npm's own settings and the proxy's. */
export function npmEnv(extra: Record<string, string> = {}): Record<string, string> {
  return childEnv({ ...pick((name) => NPM.test(name)), ...extra })
}

function pick(allowed: (name: string) => boolean): Record<string, string> {
  const picked: Record<string, string> = {}
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && allowed(name)) picked[name] = value
  }
  return picked
}

function setting(name: string): string | undefined {
  const value = process.env[name]
  return value === undefined || value === '' ? undefined : value
}
