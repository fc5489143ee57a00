import type { SpeechOptions } from '../engine.ts'
import { inferenceFields } from '../whisper-cpp/wire.ts'
import type { ServerKind } from './kind.ts'
import type { Form, Profile } from './profile.ts'

type Field = readonly [name: string, value: string]

export interface Question {
  url: string
  fields: Field[]
}

/** `speakers`: with speakers, and times of whole segments. */
export type AskedForm = Form | 'speakers'

/** How to ask: the form, and where hotwords go. */
export interface Manner {
  form: AskedForm
  hotwords: Profile['hotwords']
  /** The second try: at a higher temperature, without a prompt. */
  again: boolean
}

function openaiFields(options: SpeechOptions, model: string, manner: Manner): Field[] {
  const { form, again } = manner
  const { language } = options
  return [
    ['model', model],
    ...formFields(form),
    ...(language === null ? [] : [['language', language] as const]),
    ...(again ? [] : promptFields(options, manner)),
    ['temperature', again ? '0.4' : '0'],
  ]
}

function formFields(form: AskedForm): Field[] {
  switch (form) {
    case 'words':
      return [...formFields('segments'), ['timestamp_granularities[]', 'word']]
    case 'segments':
      return [
        ['response_format', 'verbose_json'],
        ['timestamp_granularities[]', 'segment'],
      ]
    case 'text':
      return [['response_format', 'json']]
    case 'speakers':
      // OpenAI's model needs the strategy for more than 30 seconds.
      return [
        ['response_format', 'diarized_json'],
        ['chunking_strategy', 'auto'],
      ]
  }
}

function promptFields(
  { prompt, hotwords: hot }: SpeechOptions,
  { form, hotwords }: Manner,
): Field[] {
  const isField = hotwords === 'field'
  const before = [prompt, isField ? null : hot].filter((part) => part !== null && part !== '')
  return [
    // OpenAI's model that tells speakers apart takes no prompt.
    ...(before.length === 0 || form === 'speakers' ? [] : [['prompt', before.join(' ')] as const]),
    ...(isField && hot !== null && hot !== '' ? [['hotwords', hot] as const] : []),
  ]
}

export interface Endpoints {
  transcriptions: string
  /** Null: the transcriptions' address, with a field `translate`. */
  translations: string | null
  models: string | null
  health: string
  version: string
}

/**
 * From what a person wrote: the server's root, the base of its API (`…/v1`), or the address of the transcriptions
 * (`…/v1/audio/transcriptions`, `…/inference`).
 */
export function endpointsOf(url: string): Endpoints {
  const { origin, pathname, search } = new URL(url)
  const path = pathname.replace(/\/+$/, '')
  const others = { health: `${origin}/health`, version: `${origin}/version` }
  if (/\/(transcriptions|inference)$/.test(path)) {
    const base = /^(.*)\/audio\/transcriptions$/.exec(path)?.[1]
    return {
      transcriptions: `${origin}${path}${search}`,
      translations: base === undefined ? null : `${origin}${base}/audio/translations${search}`,
      models: base === undefined ? null : `${origin}${base}/models`,
      ...others,
    }
  }
  const base = `${origin}${path === '' ? '/v1' : path}`
  return {
    transcriptions: `${base}/audio/transcriptions${search}`,
    translations: `${base}/audio/translations${search}`,
    models: `${base}/models`,
    ...others,
  }
}

export function questionOf(
  { endpoints, kind }: { endpoints: Endpoints; kind: ServerKind },
  options: SpeechOptions,
  model: string,
  manner: Manner,
): Question {
  const { transcriptions, translations } = endpoints
  if (kind === 'whisper.cpp') {
    return { url: transcriptions, fields: inferenceFields(options, manner.again) }
  }
  const fields = openaiFields(options, model, manner)
  if (options.task === 'transcribe') return { url: transcriptions, fields }
  return translations === null
    ? { url: transcriptions, fields: [...fields, ['translate', 'true']] }
    : {
        url: translations,
        // The translations' address takes neither.
        fields: fields.filter(([name]) => !/^(language|timestamp_granularities)/.test(name)),
      }
}
