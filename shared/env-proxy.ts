import { Agent, EnvHttpProxyAgent, type Dispatcher } from 'undici'
import { hostOf, isOwnAddress } from './addresses.ts'
import { AppError } from './errors.ts'
import { patientPool } from './paused-parser.ts'

type Environment = Record<string, string | undefined>

/**
 * The dispatcher for one server, through the proxy of the environment (`HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`; lower case
 * wins). Loopback is always direct. As with curl, an https server is reached by CONNECT and an http server by requests with
 * its absolute URL.
 * @throws {AppError} `usage` for a variable that is not a proxy's address.
 */
export function dispatcherFor(
  url: string,
  options: Agent.Options,
  environment: Environment = process.env,
): Dispatcher {
  if (isOwnAddress(hostOf(new URL(url)))) return new Agent({ ...options, factory: patientPool })
  const { http, https } = environmentProxies(environment)
  return new EnvHttpProxyAgent({
    ...options,
    factory: patientPool,
    // Undefined would make it read the environment of the process.
    httpProxy: http ?? '',
    httpsProxy: https ?? '',
    noProxy: environment['no_proxy'] ?? environment['NO_PROXY'] ?? '',
    proxyTunnel: false,
  })
}

/** A hint for an unreachable server; null: the environment has no proxy for it. */
export function proxyHint(url: string, environment: Environment = process.env): string | null {
  if (isOwnAddress(hostOf(new URL(url)))) return null
  const { http, https } = environmentProxies(environment)
  const proxy = url.startsWith('https:') ? (https ?? http) : http
  if (proxy === null) return null
  return `The environment sets the proxy ${new URL(proxy).host} (HTTP_PROXY, HTTPS_PROXY): check it, or name the host in NO_PROXY.`
}

function environmentProxies(environment: Environment): {
  http: string | null
  https: string | null
} {
  return { http: proxyIn('http_proxy', environment), https: proxyIn('https_proxy', environment) }
}

function proxyIn(name: string, environment: Environment): string | null {
  const text = (environment[name] ?? environment[name.toUpperCase()] ?? '').trim()
  if (text === '') return null
  return proxyUrl(text, name.toUpperCase())
}

/**
 * A proxy's address; the default scheme is http.
 * @param name of its setting.
 * @throws {AppError} `usage`
 */
export function proxyUrl(text: string, name: string): string {
  const whole = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`
  const url = URL.canParse(whole) ? new URL(whole) : null
  if (url !== null && /^(https?|socks5?):$/.test(url.protocol) && url.hostname !== '')
    return url.href
  throw new AppError(
    'usage',
    `${name} is not a proxy's address: write it like http://proxy.example:3128.`,
  )
}
