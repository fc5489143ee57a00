import { httpUrl } from '../../shared/base-url.ts'
import { AppError } from '../../shared/errors.ts'

export interface ModelSource {
  /** Used in place of huggingface.co and github.com, with the same paths. */
  mirror: string | null
  offline: boolean
  /** For gated models; sent only to huggingface.co or the mirror. */
  token: string | null
  /** Of Python packages, as in pip; its URL may hold a name and a password. Default: PyPI. */
  index?: string
}

export interface Site {
  /** Used in place of the URLs' hosts, with the same paths. */
  mirror: string | null
  /** The only origin that gets the key. */
  origin: string
  authorization: string | null
  keyHint: string
}

const HUGGING_FACE = 'https://huggingface.co'
const PYPI = 'https://pypi.org/simple'

export function modelSite({ mirror, token }: ModelSource): Site {
  return {
    mirror,
    origin: new URL(mirror ?? HUGGING_FACE).origin,
    authorization: token === null ? null : `Bearer ${token}`,
    keyHint:
      token === null
        ? 'accept its terms there and set HF_TOKEN'
        : 'the token in HF_TOKEN is refused',
  }
}

/**
 * PEP 503's index, without a trailing slash.
 * @throws {AppError} `usage` for an invalid PIP_INDEX_URL.
 */
export function indexSite({ index = PYPI }: ModelSource): Site & { index: string } {
  const url = httpUrl(index)
  if (url === null) {
    throw new AppError(
      'usage',
      'PIP_INDEX_URL is not the URL of an index: write it like https://pypi.example/simple.',
    )
  }
  const [name, password] = [url.username, url.password].map(decodeURIComponent)
  const isOpen = url.username === ''
  return {
    mirror: null,
    origin: url.origin,
    authorization: isOpen ? null : `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`,
    keyHint: isOpen
      ? 'put a name and a password into PIP_INDEX_URL'
      : 'the name and password in PIP_INDEX_URL are refused',
    index: `${url.origin}${url.pathname}`.replace(/\/+$/, ''),
  }
}

/**
 * The source that flags and the environment name.
 * @throws {AppError} `usage`
 */
export function modelSource(flags: Record<string, unknown> = {}): ModelSource {
  const mirror = flags['mirror'] ?? process.env['MORAG_MODELS_MIRROR']
  const index = process.env['PIP_INDEX_URL']?.trim()
  return {
    mirror: typeof mirror === 'string' && mirror.trim() !== '' ? mirrorUrl(mirror) : null,
    offline: isOn(process.env['MORAG_OFFLINE']) || flags['offline'] === true,
    // Hugging Face's own variable. Not a flag: command lines are visible to every user of the machine.
    token: process.env['HF_TOKEN']?.trim() || null,
    ...(index ? { index } : {}),
  }
}

/** commander takes any value for yes. */
function isOn(value: string | undefined): boolean {
  const text = value?.trim().toLowerCase() ?? ''
  if (['', '0', 'false', 'no', 'off'].includes(text)) return false
  if (['1', 'true', 'yes', 'on'].includes(text)) return true
  throw new AppError('usage', `MORAG_OFFLINE is '${value}': write 1 or 0.`)
}

/** Without a trailing slash. @throws {AppError} `usage` */
export function mirrorUrl(text: string): string {
  const url = httpUrl(text)
  if (url === null || url.username !== '') {
    throw new AppError(
      'usage',
      `'${text}' is not a mirror's URL (--mirror, MORAG_MODELS_MIRROR): write it like https://models.example, without a name and password.`,
    )
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '')
}
