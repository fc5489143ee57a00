import type { Command } from 'commander'
import { AppError } from '../../shared/errors.ts'
import { setting } from '../../shared/settings.ts'

/** Where models come from. */
export interface ModelSource {
  /** Asked instead of huggingface.co and github.com, with the same paths. */
  mirror: string | null
  /** Nothing is fetched at all. */
  offline: boolean
  /** For models that are not for everyone; sent to huggingface.co, or the mirror, alone. */
  token: string | null
}

/** Gives a command the flags that say where models come from. */
export function addModelSource(command: Command): Command {
  return command
    .addOption(
      setting(
        '--mirror <url>',
        'get models from here instead of huggingface.co and github.com',
        'MORAG_MODELS_MIRROR',
      ).argParser(mirrorUrl),
    )
    .addOption(
      setting(
        '--offline',
        'never use the network for models: those that are here have to do',
        'MORAG_OFFLINE',
      ),
    )
}

/**
 * The source that a command's flags and the environment name; without flags, the environment.
 * @throws {AppError} `usage`
 */
export function modelSource(flags: Record<string, unknown> = {}): ModelSource {
  const mirror = flags['mirror'] ?? process.env['MORAG_MODELS_MIRROR']
  return {
    mirror: typeof mirror === 'string' && mirror.trim() !== '' ? mirrorUrl(mirror) : null,
    offline: isOn(process.env['MORAG_OFFLINE']) || flags['offline'] === true,
    // Hugging Face's own name for it. No flag: everybody on the machine could read it.
    token: process.env['HF_TOKEN']?.trim() || null,
  }
}

/** commander takes any value for yes; somebody who writes 0 means no. */
function isOn(value: string | undefined): boolean {
  const text = value?.trim().toLowerCase() ?? ''
  if (['', '0', 'false', 'no', 'off'].includes(text)) return false
  if (['1', 'true', 'yes', 'on'].includes(text)) return true
  throw new AppError('usage', `MORAG_OFFLINE is '${value}': write 1 or 0.`)
}

function mirrorUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '') {
    throw new AppError(
      'usage',
      `'${text}' is not a mirror's URL (--mirror, MORAG_MODELS_MIRROR): write it like https://models.example, without a name and password.`,
    )
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '')
}
