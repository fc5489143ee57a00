import { z } from 'zod'
import { invalid } from '../../shared/errors.ts'
import { parseWire } from '../../shared/parse-wire.ts'
import { lenientBoolean } from '../../shared/wire-fields.ts'
import { requiresOf, type Fleet } from './fleet.ts'
import {
  field,
  optionsOf,
  promptOf,
  readParameters,
  spokenLanguage,
  type Given,
  type SpeechRequest,
} from './parameters.ts'

const speakers = z.coerce.number().int().min(1).max(20).exactOptional()

const fileFields = {
  encode: field(
    lenientBoolean.default(true),
    'Honoured: `false` says that the file is raw samples (16 bit, little-endian, 16 kHz, mono). A file that begins as a WAV is taken as one. In the query alone: as a form field it is refused.',
  ),
  video_file: field(
    z.string().max(4_096).exactOptional(),
    'Honoured: the name by which lists show the job, as Bazarr sends it.',
  ),
}

/** The parameters of `POST /asr` beside the file. */
export const asrFields = z.object({
  task: field(
    z.enum(['transcribe', 'translate']).default('transcribe'),
    'Honoured. `translate` (into English) is refused while no connected agent translates.',
  ),
  language: field(
    spokenLanguage.exactOptional(),
    'Honoured: ISO 639 code or English name. Left out: detected.',
  ),
  initial_prompt: field(
    z.string().exactOptional(),
    'Honoured where the engine takes one: its last 1 000 characters.',
  ),
  output: field(z.enum(['txt', 'vtt', 'srt', 'tsv', 'json']).default('txt'), 'Honoured.'),
  word_timestamps: field(
    lenientBoolean.default(false),
    'Honoured with `output=json`. Ignored with a warning with other outputs, and where no connected agent gives them.',
  ),
  vad_filter: field(
    lenientBoolean.default(true),
    'Honoured: speech is always found first. `false` is ignored with a warning.',
  ),
  diarize: field(
    lenientBoolean.default(false),
    'Honoured. Ignored with a warning where no connected agent tells speakers apart.',
  ),
  min_speakers: field(speakers, 'Honoured with `diarize`. Ignored with a warning without.'),
  max_speakers: field(speakers, 'Honoured with `diarize`. Ignored with a warning without.'),
  ...fileFields,
})

/** The parameters of `POST /detect-language` beside the file. */
export const detectFields = z.object(fileFields)

/** Reads a request of `POST /asr`. @throws {AppError} `invalid` */
export function asrRequest(given: Given, fleet: Fleet): SpeechRequest {
  refuseEncode(given)
  const { values, unknown: warnings } = readParameters(asrFields, given)
  const asked = parseWire(asrFields, values, 'query')
  const warn = (text: string): void => void warnings.push(text)
  const { task, output, diarize, minSpeakers, maxSpeakers } = asked
  const words = asked.wordTimestamps && output === 'json'
  if (asked.wordTimestamps && !words) warn('word_timestamps was ignored: it is for output=json.')
  if (!asked.vadFilter) warn('vad_filter=false was ignored: speech is always found first.')
  if (!diarize && (minSpeakers ?? maxSpeakers) !== undefined)
    warn('min_speakers and max_speakers were ignored: they are for diarize=true.')
  const options = optionsOf({
    task: task === 'translate' ? task : null,
    language: asked.language,
    prompt: promptOf(asked.initialPrompt, warn),
    word_timestamps: words || null,
    diarize: diarize || null,
    min_speakers: diarize ? minSpeakers : null,
    max_speakers: diarize ? maxSpeakers : null,
  })
  const must = { translate: task === 'translate' }
  const requires = requiresOf(fleet, { options, must, may: { words, diarize }, warn })
  return {
    taskOptions: optionsOf({ ...options, requires }),
    form: output === 'json' ? 'asr:json' : output,
    filename: asked.videoFile,
    warnings,
  }
}

/** As much as Whisper listens to when it detects a language. */
export const DETECTED_SECONDS = 30

/** Reads a request of `POST /detect-language`. @throws {AppError} `invalid` */
export function detectRequest(given: Given): SpeechRequest {
  refuseEncode(given)
  const { values, unknown: warnings } = readParameters(detectFields, given)
  const { videoFile: filename } = parseWire(detectFields, values, 'query')
  const taskOptions = { limit_seconds: DETECTED_SECONDS }
  return { taskOptions, form: 'asr:language', filename, warnings }
}

/** The file is stored as it comes, and its form's fields may follow it. */
function refuseEncode({ form }: Given): void {
  for (const [name] of form)
    if (name === 'encode')
      throw invalid('encode belongs to the address: /asr?encode=false.', ['body', 'encode'])
}
