import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { after } from 'node:test'
import { samplesIn, wordsIn, type SpokenWord } from './spoken-words.ts'

export interface VllmRequest {
  fields: [name: string, value: string][]
  seconds: number
}

interface VllmOptions {
  script: readonly SpokenWord[]
  /** Only Whisper has timestamps. */
  model?: string
  /** Holds an answer back. */
  before?: (request: VllmRequest) => Promise<void>
  /** A status in place of the answer, with its body and headers. */
  refuse?: (request: VllmRequest) => { status: number; body: string; headers?: object } | null
  /** Whether it lists its models. */
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
  const { model = 'openai/whisper-large-v3', hidesModels = false } = options
  const requests: VllmRequest[] = []
  const counts = { inFlight: 0, most: 0, aborted: 0 }
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const send = (status: number, body: unknown, headers: object = {}): void => {
      const text = typeof body === 'string' ? body : JSON.stringify(body)
      const type = { 'content-type': 'application/json', server: 'uvicorn' }
      response.writeHead(status, { ...type, ...headers }).end(text)
    }
    if (request.method === 'GET') {
      if (request.url === '/health') return send(200, '')
      if (request.url === '/version') return send(200, { version: '0.25.1' })
      const isList = request.url === '/v1/models' && !hidesModels
      if (!isList) return send(404, { detail: 'Not Found' })
      return send(200, { object: 'list', data: [{ id: model, object: 'model', owned_by: 'vllm' }] })
    }
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const type = request.headers['content-type'] ?? ''
    const form = await new Response(Buffer.concat(chunks), {
      headers: { 'content-type': type },
    }).formData()
    const file = form.get('file')
    if (!(file instanceof File))
      return send(400, fault("'loc': ('body', 'file'), 'msg': 'Field required'"))
    const samples = samplesIn(Buffer.from(await file.arrayBuffer()))
    const fields = [...form].flatMap(([name, value]): [string, string][] =>
      typeof value === 'string' ? [[name, value]] : [],
    )
    const one = { fields, seconds: samples.length / RATE }
    requests.push(one)
    counts.inFlight += 1
    counts.most = Math.max(counts.most, counts.inFlight)
    response.once('close', () => {
      counts.inFlight -= 1
      if (!response.writableEnded) counts.aborted += 1
    })
    await options.before?.(one)
    const refused = options.refuse?.(one) ?? null
    if (refused !== null) return send(refused.status, refused.body, refused.headers)
    const [status, body] = transcribed(fields, samples, options.script, model)
    send(status, body)
  }
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.destroy(error as Error))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  after(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return { url: `http://127.0.0.1:${address.port}/v1`, model, requests, counts }
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

type Fields = readonly [name: string, value: string][]

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

function valueOf(fields: Fields, name: string): string | undefined {
  return fields.find(([key]) => key === name)?.[1]
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

function chunksOf(samples: Int16Array): Int16Array[] {
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
  const segments = []
  let open: SpokenWord[] = []
  for (const word of words) {
    open.push(word)
    if (!word.text.endsWith('.')) continue
    const [start, end] = [open[0]!.start + offset, word.end + offset]
    const numbers = {
      avg_logprob: -0.2,
      compression_ratio: 1.4,
      no_speech_prob: null,
      seek: offset,
    }
    segments.push({
      id: segments.length,
      start,
      end,
      text: ` ${textOf(open)}`,
      ...numbers,
      temperature: 0,
      tokens: [],
    })
    open = []
  }
  return segments
}

function textOf(words: readonly SpokenWord[]): string {
  return words.map(({ text }) => text).join(' ')
}
