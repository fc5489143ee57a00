import type { SpeechOptions } from '../engine.ts'
import { inferenceFields } from '../whisper-cpp/wire.ts'

type Field = readonly [name: string, value: string]

/** Response forms, the best first: many servers know only some. */
export const FORMS = ['words', 'segments', 'text'] as const
export type Form = (typeof FORMS)[number]

function openaiFields(
  { language, prompt, hotwords }: SpeechOptions,
  model: string,
  form: Form,
  again: boolean,
): Field[] {
  const before = [prompt, hotwords].filter((part) => part !== null && part !== '').join(' ')
  return [
    ['model', model],
    ['response_format', form === 'text' ? 'json' : 'verbose_json'],
    ...(form === 'text' ? [] : [['timestamp_granularities[]', 'segment'] as const]),
    ...(form === 'words' ? [['timestamp_granularities[]', 'word'] as const] : []),
    ...(language === null ? [] : [['language', language] as const]),
    ...(before === '' || again ? [] : [['prompt', before] as const]),
    ['temperature', again ? '0.4' : '0'],
  ]
}

export interface Endpoints {
  transcriptions: string
  /** Null: the transcriptions' address, with a field `translate`. */
  translations: string | null
  models: string | null
  health: string
}

/**
 * From what a person wrote: the server's root, the base of its API (`…/v1`), or the address of the transcriptions
 * (`…/v1/audio/transcriptions`, `…/inference`).
 */
export function endpointsOf(url: string): Endpoints {
  const { origin, pathname, search } = new URL(url)
  const path = pathname.replace(/\/+$/, '')
  const health = `${origin}/health`
  if (/\/(transcriptions|inference)$/.test(path)) {
    const base = /^(.*)\/audio\/transcriptions$/.exec(path)?.[1]
    return {
      transcriptions: `${origin}${path}${search}`,
      translations: base === undefined ? null : `${origin}${base}/audio/translations${search}`,
      models: base === undefined ? null : `${origin}${base}/models`,
      health,
    }
  }
  const base = `${origin}${path === '' ? '/v1' : path}`
  return {
    transcriptions: `${base}/audio/transcriptions${search}`,
    translations: `${base}/audio/translations${search}`,
    models: `${base}/models`,
    health,
  }
}

export function questionOf(
  { endpoints, isWhisperCpp }: { endpoints: Endpoints; isWhisperCpp: boolean },
  options: SpeechOptions,
  model: string,
  form: Form,
  again: boolean,
): { url: string; fields: Field[] } {
  const { transcriptions, translations } = endpoints
  if (isWhisperCpp) return { url: transcriptions, fields: inferenceFields(options, again) }
  const fields = openaiFields(options, model, form, again)
  if (options.task === 'transcribe') return { url: transcriptions, fields }
  return translations === null
    ? { url: transcriptions, fields: [...fields, ['translate', 'true']] }
    : {
        url: translations,
        // The translations' address takes neither.
        fields: fields.filter(([name]) => !/^(language|timestamp_granularities)/.test(name)),
      }
}
