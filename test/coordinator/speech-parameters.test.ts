import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { z } from 'zod'
import {
  asrFields,
  asrRequest,
  detectFields,
  detectRequest,
} from '../../coordinator/speech/asr-request.ts'
import { aliasesOf, type Fleet } from '../../coordinator/speech/fleet.ts'
import { openaiFields, openaiRequest } from '../../coordinator/speech/openai-request.ts'
import type { Given, SpeechRequest } from '../../coordinator/speech/parameters.ts'
import { AppError } from '../../shared/errors.ts'

const ABLE: Fleet = {
  isKnown: true,
  models: new Set(['large-v3']),
  serves: () => true,
  aliases: aliasesOf(['whisper-1']),
}
const UNABLE: Fleet = {
  ...ABLE,
  serves: ({ requires }) => !Object.values(requires as object).includes(true),
}

type Sent = Record<string, string>

/** What a parameter is sent as, and with what beside it. */
type Samples<S extends z.ZodObject> = Record<
  keyof S['shape'] & string,
  { honoured?: Sent; ignored?: Sent; refused?: Sent; unable?: Sent }
>

const OPENAI: Samples<typeof openaiFields> = {
  model: { honoured: { model: 'large-v3' }, refused: { model: 'small' } },
  language: { honoured: { language: 'de' }, refused: { language: '?' } },
  prompt: { honoured: { prompt: 'Björn' } },
  keywords: {
    honoured: { 'keywords[]': 'Björn' },
    refused: { 'keywords[]': 'x'.repeat(50_001) },
  },
  languages: { honoured: { 'languages[]': 'de' }, refused: { 'languages[]': '?' } },
  response_format: {
    honoured: { response_format: 'srt' },
    refused: { response_format: 'docx' },
    unable: { response_format: 'diarized_json' },
  },
  temperature: { ignored: { temperature: '0.5' }, refused: { temperature: '2' } },
  timestamp_granularities: {
    honoured: { response_format: 'verbose_json', 'timestamp_granularities[]': 'word' },
    ignored: { 'timestamp_granularities[]': 'word' },
    refused: { 'timestamp_granularities[]': 'sentence' },
  },
  stream: {
    honoured: { stream: 'true' },
    ignored: { stream: 'true', response_format: 'srt' },
    refused: { stream: 'maybe' },
  },
  include: { ignored: { 'include[]': 'logprobs' } },
  chunking_strategy: { ignored: { 'chunking_strategy[type]': 'server_vad' } },
  known_speaker_names: { ignored: { 'known_speaker_names[]': 'Ann' } },
  known_speaker_references: { ignored: { 'known_speaker_references[]': 'data:,' } },
}

const FILE: Samples<typeof detectFields> = {
  // How raw samples are stored is in speech-apis.test.ts.
  encode: { refused: { encode: 'maybe' } },
  video_file: { honoured: { video_file: '/films/a.mkv' } },
}
const ASR: Samples<typeof asrFields> = {
  task: {
    honoured: { task: 'translate' },
    refused: { task: 'sing' },
    unable: { task: 'translate' },
  },
  language: { honoured: { language: 'de' }, refused: { language: '?' } },
  initial_prompt: { honoured: { initial_prompt: 'Björn' } },
  output: { honoured: { output: 'srt' }, refused: { output: 'docx' } },
  word_timestamps: {
    honoured: { word_timestamps: 'true', output: 'json' },
    ignored: { word_timestamps: 'true' },
  },
  vad_filter: { ignored: { vad_filter: 'false' } },
  diarize: { honoured: { diarize: 'true' }, refused: { diarize: 'maybe' } },
  min_speakers: {
    honoured: { min_speakers: '2', diarize: 'true' },
    ignored: { min_speakers: '2' },
    refused: { min_speakers: '0' },
  },
  max_speakers: {
    honoured: { max_speakers: '2', diarize: 'true' },
    ignored: { max_speakers: '2' },
    refused: { max_speakers: '0' },
  },
  ...FILE,
}

type Read = (given: Given, fleet: Fleet) => SpeechRequest

const APIS: [string, z.ZodObject, Samples<z.ZodObject>, Read][] = [
  ["OpenAI's", openaiFields, OPENAI, (given, fleet) => openaiRequest(given, 'transcribe', fleet)],
  ['/asr', asrFields, ASR, asrRequest],
  ['/detect-language', detectFields, FILE, detectRequest],
]

for (const [api, fields, samples, read] of APIS) {
  describe(`the parameters of ${api}`, () => {
    const ask = (sent: Sent, fleet = ABLE): SpeechRequest =>
      read({ query: Object.entries(sent).map(([name, value]) => [name, [value]]), form: [] }, fleet)
    /** The request without the parameter, with what stands beside it. */
    const without = (sent: Sent, name: string): Sent =>
      Object.fromEntries(Object.entries(sent).filter(([key]) => !key.startsWith(name)))

    for (const [name, schema] of Object.entries(fields.shape as Record<string, z.ZodType>)) {
      const { honoured, ignored, refused, unable } = samples[name]!
      test(`${name} does what its description says`, () => {
        const { description = '' } = schema.meta() ?? {}
        assert.match(description, /^(Honoured|Ignored with a warning)\b/)
        if (honoured !== undefined) {
          const { warnings, ...asked } = ask(honoured)
          const { warnings: _, ...before } = ask(without(honoured, name))
          assert.notDeepEqual(asked, before)
          assert.deepEqual(warnings, [])
        }
        if (ignored !== undefined) {
          const { warnings, ...asked } = ask(ignored)
          const { warnings: _, ...before } = ask(without(ignored, name))
          assert.deepEqual(asked, before)
          assert.ok(warnings.length === 1 && warnings[0]!.includes('ignored'), String(warnings))
          assert.match(description, /[Ii]gnored with a warning/)
        }
        const isInvalid = (error: unknown): boolean =>
          error instanceof AppError && ['invalid', 'not_found'].includes(error.code)
        if (refused !== undefined) assert.throws(() => ask(refused), isInvalid)
        if (unable !== undefined) {
          assert.throws(() => ask(unable, UNABLE), isInvalid)
          assert.match(description, /refused/)
        }
      })
    }

    test('an unknown one is ignored with a warning', () => {
      const { warnings } = ask({ 'colour[]': 'blue' })
      assert.deepEqual(warnings, ['colour is unknown here and was ignored.'])
    })
  })
}
