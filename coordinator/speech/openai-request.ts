import { z } from 'zod'
import type { FromWire } from '../../shared/keys.ts'
import { parseWire } from '../../shared/parse-wire.ts'
import { MOST_TERMS, MOST_TOTAL } from '../../shared/vocabulary.ts'
import { lenientBoolean, namedObject } from '../../shared/wire-fields.ts'
import { modelOf, requiresOf, type Fleet } from './fleet.ts'
import {
  field,
  optionsOf,
  promptOf,
  readParameters,
  spokenLanguage,
  type Given,
  type SpeechRequest,
} from './parameters.ts'
import type { AnswerForm } from './forms.ts'

const LISTS = [
  'keywords',
  'languages',
  'timestamp_granularities',
  'include',
  'known_speaker_names',
  'known_speaker_references',
]

const texts = z.array(z.string()).default([])

/** The parameters of `POST /v1/audio/transcriptions` and `/translations` beside the file. */
export const openaiFields = namedObject('OpenAiTranscription', {
  model: field(
    z.string().trim().max(200).exactOptional(),
    'Honoured: a model of a connected agent, or an alias (`--model-alias`). Left out: the agent’s own. Refused (404 `model_not_found`) where no connected agent has it.',
  ),
  language: field(
    spokenLanguage.exactOptional(),
    'Honoured: ISO 639 code or English name. `auto` or left out: detected.',
  ),
  prompt: field(
    z.string().exactOptional(),
    'Honoured where the engine takes one: its last 1 000 characters.',
  ),
  keywords: field(
    z
      .array(z.string())
      .max(MOST_TERMS)
      .refine((all) => all.join('').length <= MOST_TOTAL, {
        error: `Expected up to ${MOST_TOTAL} characters in all.`,
      })
      .default([]),
    'Honoured where the engine takes them: words to expect, up to 1 000 texts of 50 000 characters in all.',
  ),
  languages: field(
    z.array(spokenLanguage).max(20).default([]),
    'Honoured without `language`: detected are only these.',
  ),
  response_format: field(
    z.enum(['json', 'text', 'srt', 'vtt', 'verbose_json', 'diarized_json']).default('json'),
    'Honoured. `diarized_json` is refused while no connected agent tells speakers apart.',
  ),
  temperature: field(
    z.coerce.number().min(0).max(1).default(0),
    'Ignored with a warning unless 0: engines choose their own.',
  ),
  timestamp_granularities: field(
    z.array(z.enum(['segment', 'word'])).default(['segment']),
    'Honoured with `verbose_json`: `segment`, `word` or both. Ignored with a warning with other formats.',
  ),
  stream: field(
    lenientBoolean.default(false),
    'Honoured with `json`, `text` and `diarized_json`. Ignored with a warning with `srt`, `vtt` and `verbose_json`.',
  ),
  include: field(texts, 'Ignored with a warning: engines here give no `logprobs` of tokens.'),
  chunking_strategy: field(
    z.string().default('auto'),
    'Honoured: `auto`, as every recording is cut in pauses. Others are ignored with a warning.',
  ),
  known_speaker_names: field(
    texts,
    'Ignored with a warning: speakers are `Speaker_00`, `Speaker_01`, ….',
  ),
  known_speaker_references: field(texts, 'Ignored with a warning.'),
})

/**
 * Reads a form of OpenAI's audio API.
 * @throws {AppError} `invalid`; `not_found` for a model that no agent has.
 */
export function openaiRequest(
  given: Given,
  task: 'transcribe' | 'translate',
  fleet: Fleet,
): SpeechRequest {
  const { values, unknown } = readParameters(openaiFields, given, LISTS)
  const asked = parseWire(openaiFields, values, 'body')
  const warnings = [...unknown, ...unused(asked)]
  const warn = (text: string): void => void warnings.push(text)
  const { responseFormat, timestampGranularities } = asked
  const isVerbose = responseFormat === 'verbose_json'
  const mayStream = !['srt', 'vtt', 'verbose_json'].includes(responseFormat)
  if (!isVerbose && values['timestamp_granularities'] !== undefined)
    warn('timestamp_granularities was ignored: it is for verbose_json.')
  if (asked.stream && !mayStream)
    warn(`stream was ignored: ${responseFormat} is whole only at the end.`)
  const isStream = asked.stream && mayStream
  const words = isVerbose && timestampGranularities.includes('word')
  const segments = timestampGranularities.includes('segment')
  const diarize = responseFormat === 'diarized_json'
  const options = optionsOf({
    task: task === 'translate' ? task : null,
    language: asked.language,
    languages: asked.languages.flatMap((one) => one ?? []),
    hotwords: asked.keywords,
    model: modelOf(asked.model, fleet),
    prompt: promptOf(asked.prompt, warn),
    word_timestamps: words || null,
    diarize: diarize || null,
  })
  const must = { translate: task === 'translate', diarize }
  const requires = requiresOf(fleet, { options, must, may: { words }, warn })
  return {
    taskOptions: optionsOf({ ...options, requires }),
    form: formOf(responseFormat, { isStream, words, segments }),
    warnings,
  }
}

function unused(asked: FromWire<z.output<typeof openaiFields>>): string[] {
  const { temperature, include, chunkingStrategy, knownSpeakerNames, knownSpeakerReferences } =
    asked
  return [
    temperature === 0 ? [] : 'temperature was ignored: the engine chooses its own.',
    include.length === 0 ? [] : 'include was ignored: the engine gives no logprobs.',
    chunkingStrategy === 'auto'
      ? []
      : 'chunking_strategy was ignored: recordings are cut in pauses.',
    knownSpeakerNames.length === 0 ? [] : 'known_speaker_names was ignored.',
    knownSpeakerReferences.length === 0 ? [] : 'known_speaker_references was ignored.',
  ].flat()
}

function formOf(
  format: z.output<typeof openaiFields>['response_format'],
  { isStream, words, segments }: { isStream: boolean; words: boolean; segments: boolean },
): AnswerForm {
  if (format === 'srt' || format === 'vtt') return format
  if (isStream) return format === 'diarized_json' ? 'openai:diarized_stream' : 'openai:stream'
  if (!words) return `openai:${format}`
  return segments ? 'openai:verbose_json+words' : 'openai:words_json'
}
