import {
  speechServer,
  valueOf,
  type SpeechRequest,
  type SpeechServerOptions,
} from './speech-server.ts'
import { sentencesOf, wordsIn, type SpokenWord } from './spoken-words.ts'

interface VllmOptions extends SpeechServerOptions {
  script: readonly SpokenWord[]
  /** Only Whisper has timestamps. */
  model?: string
  /** Whether a proxy hides its list of models. */
  hidesModels?: boolean
}

const RATE = 16_000
const CHUNK_SECONDS = 30
/** Where a chunk may end before that, and how exactly. */
const OVERLAP = RATE
const QUIET = 1_600

/**
 * A stand-in for vLLM 0.25's `/v1/audio/transcriptions`, after its source and reports: audio over 30 s is cut at the
 * quietest moment of the last second; each chunk's times begin at a multiple of 30 s (issue 32588); `verbose_json` loses
 * what follows the last whole segment of a chunk (58029, 53144), in its text as well; other models than Whisper refuse
 * it. Its model of a request takes fields that it does not know, and no value that it does not know.
 */
export async function vllmServer(options: VllmOptions) {
  const { script, model = 'openai/whisper-large-v3', hidesModels = false } = options
  const list = { object: 'list', data: [{ id: model, object: 'model', owned_by: 'vllm' }] }
  const pages = {
    '/health': '',
    '/version': { version: '0.25.1' },
    ...(hidesModels ? {} : { '/v1/models': list }),
  }
  return await speechServer(
    pages,
    ({ fields }, samples) => transcribed(fields, samples, script, model),
    options,
  )
}

function fault(message: string): object {
  return { error: { message, type: 'Bad Request', param: null, code: 400 } }
}

function literal(field: string, expected: readonly string[], input: string): object {
  const known = expected.map((one) => `'${one}'`).join(', ')
  return fault(
    `[{'type': 'literal_error', 'loc': ('body', '${field}'), 'msg': "Input should be ${known}", 'input': '${input}'}]`,
  )
}

type Fields = SpeechRequest['fields']

function transcribed(
  fields: Fields,
  samples: Int16Array,
  script: readonly SpokenWord[],
  model: string,
): [status: number, body: object] {
  const refused = refusal(fields, model)
  if (refused !== null) return refused
  const chunks = chunksOf(samples).map((chunk) => wordsIn(chunk, script))
  const seconds = samples.length / RATE
  if (valueOf(fields, 'response_format') !== 'verbose_json') {
    const text = chunks.map(textOf).join(' ')
    return [200, { text, usage: { type: 'duration', seconds: Math.ceil(seconds) } }]
  }
  const segments = chunks.flatMap((words, i) => segmentsOf(words, i * CHUNK_SECONDS))
  const text = segments.map((segment) => segment.text).join(' ')
  const language = valueOf(fields, 'language') ?? 'en'
  return [200, { duration: String(seconds), language, text, segments, words: null }]
}

const LITERALS: Record<string, readonly string[]> = {
  response_format: ['json', 'text', 'srt', 'verbose_json', 'vtt'],
  'timestamp_granularities[]': ['word', 'segment'],
}

function refusal(fields: Fields, model: string): [status: number, body: object] | null {
  for (const [name, value] of fields) {
    const literals = LITERALS[name]
    if (literals !== undefined && !literals.includes(value))
      return [400, literal(name, literals, value)]
    if (name === 'temperature' && Number.isNaN(Number(value))) {
      return [400, fault('Input should be a valid number')]
    }
    if (name === 'model' && value !== model) {
      const message = `The model \`${value}\` does not exist.`
      return [404, { error: { message, type: 'NotFoundError', param: 'model', code: 404 } }]
    }
  }
  const form = valueOf(fields, 'response_format')
  if (form === 'srt' || form === 'vtt') {
    return [400, fault('Currently only support response_format: `text`, `json` or `verbose_json`')]
  }
  return form === 'verbose_json' && !model.includes('whisper')
    ? [400, fault(`Currently do not support verbose_json for ${model}`)]
    : null
}

/** As vLLM cuts audio. */
export function chunksOf(samples: Int16Array): Int16Array[] {
  const chunks: Int16Array[] = []
  let from = 0
  while (samples.length - from > CHUNK_SECONDS * RATE) {
    const last = from + CHUNK_SECONDS * RATE
    let cut = last - OVERLAP
    let least = Infinity
    for (let at = last - OVERLAP; at + QUIET < last; at += QUIET) {
      const energy = samples.subarray(at, at + QUIET).reduce((sum, one) => sum + one ** 2, 0)
      if (energy < least) [least, cut] = [energy, at]
    }
    chunks.push(samples.subarray(from, cut))
    from = cut
  }
  return [...chunks, samples.subarray(from)]
}

/** The sentences that end within a chunk. */
function segmentsOf(words: readonly SpokenWord[], offset: number) {
  const whole = sentencesOf(words).filter(({ text }) => text.endsWith('.'))
  const numbers = { avg_logprob: -0.2, compression_ratio: 1.4, no_speech_prob: null }
  return whole.map(({ start, end, text }, id) => ({
    id,
    seek: offset,
    start: start + offset,
    end: end + offset,
    text: ` ${text}`,
    temperature: 0,
    tokens: [],
    ...numbers,
  }))
}

function textOf(words: readonly SpokenWord[]): string {
  return words.map(({ text }) => text).join(' ')
}
