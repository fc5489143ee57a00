import {
  FORMS,
  renderForm,
  type Converted,
  type Form,
  type RenderOptions,
} from '../../shared/forms.ts'
import { languageCode } from '../../shared/languages.ts'
import { oneLine, spoken } from '../../shared/render.ts'
import { joinTexts } from '../../shared/sentence-segments.ts'
import { segmentsOf, type Segment } from '../../shared/transcript.ts'

/** A transcript in the forms that other programs' APIs answer with. */
const OTHERS = {
  'openai:text': ({ text }: Said) => `${text}\n`,
  'openai:json': ({ text, usage, warnings }) => json({ text, usage, warnings }),
  'openai:verbose_json': (said) => json({ ...head(said), segments: whisperSegments(said) }),
  'openai:verbose_json+words': (said) =>
    json({ ...head(said), segments: whisperSegments(said), words: words(said.segments) }),
  'openai:words_json': (said) => json({ ...head(said), words: words(said.segments) }),
  'openai:diarized_json': ({ task, text, seconds, usage, segments, warnings }) =>
    json({
      task,
      duration: seconds,
      text,
      segments: segments.map(speakerSegment),
      usage,
      warnings,
    }),
  'openai:stream': (said) => `${lastDelta(said)}${event(done(said))}`,
  'openai:diarized_stream': (said) =>
    [
      lastDelta(said),
      ...said.segments.map((one, at) => event(speakerSegment(one, at))),
      event(done(said)),
    ].join(''),
  'asr:json': (said) =>
    json({
      text: said.text,
      segments: whisperSegments(said, true),
      language: said.language,
      warnings: said.warnings,
    }),
  'asr:language': ({ language, probability }) =>
    json({
      detected_language: languageName(language),
      language_code: language ?? 'und',
      confidence: language === null ? 0 : probability,
    }),
} as const satisfies Record<string, (said: Said) => string>

/** Every form that a result can be had in. */
export type AnswerForm = Form | keyof typeof OTHERS

export interface AnswerOptions extends RenderOptions {
  task?: string
  /** Of a stream: the text up to here, in seconds, has been sent. */
  after?: number
}

/** What the forms are made of. */
interface Said {
  task: string
  text: string
  /** With text, by start; none of a result without segments. */
  segments: readonly Segment[]
  /** Of the recording. */
  seconds: number
  usage: { type: 'duration'; seconds: number }
  /** ISO 639-1; null: unknown. */
  language: string | null
  probability: number | null
  after: number
  /** What the agent says of the result; absent: nothing. */
  warnings?: unknown[]
}

/** A result in one of its forms. @throws {AppError} as `renderForm`. */
export function renderAnswer(
  form: AnswerForm,
  body: Converted,
  options: AnswerOptions = {},
): string {
  return isShared(form) ? renderForm(form, body, options) : OTHERS[form](saidIn(body, options))
}

export function isShared(form: AnswerForm): form is Form {
  return (FORMS as readonly string[]).includes(form)
}

function saidIn(
  { content, metadata }: Converted,
  { task = 'transcribe', after = 0 }: AnswerOptions,
): Said {
  const found = segmentsOf(metadata)
  const segments = spoken(found ?? [])
  const { duration, language, language_probability: probability, warnings } = metadata
  const seconds = typeof duration === 'number' ? duration : (segments.at(-1)?.end ?? 0)
  return {
    task,
    text: found === null ? content.trim() : textOf(segments),
    segments,
    seconds,
    usage: { type: 'duration', seconds: Math.ceil(seconds) },
    language: typeof language === 'string' ? (languageCode(language) ?? language) : null,
    probability: typeof probability === 'number' ? probability : null,
    after,
    ...(Array.isArray(warnings) && warnings.length > 0 && { warnings }),
  }
}

/** The text of segments in one line, without speakers. */
export function textOf(segments: readonly Pick<Segment, 'text'>[]): string {
  return segments
    .map(({ text }, at) => spaced(segments[at - 1]?.text ?? '', oneLine(text)))
    .join('')
}

/** What comes after a text, with the space between. */
export function spaced(before: string, text: string): string {
  return before === '' ? text : joinTexts(before, text).slice(before.trimEnd().length)
}

/** A server-sent event without a name, as OpenAI's. */
export function event(data: object): string {
  return `data: ${json(data)}\n\n`
}

function json(value: object): string {
  return JSON.stringify(value)
}

function head({ task, language, seconds, text, usage, warnings }: Said): object {
  return { task, language: languageName(language), duration: seconds, text, usage, warnings }
}

/** `german`, as Whisper writes it. */
function languageName(code: string | null): string {
  if (code === null) return 'unknown'
  try {
    return new Intl.DisplayNames('en', { type: 'language' }).of(code)!.toLowerCase()
  } catch {
    // No tag, as an engine's `cantonese`.
    return code.toLowerCase()
  }
}

/** Numbers that only Whisper has are neutral, so that no client takes the text for silence. */
function whisperSegments({ segments }: Said, isDetailed = false): object[] {
  return segments.map(({ start, end, text, confidence, speaker, words: said }, id) => ({
    id,
    seek: 0,
    start,
    end,
    text: spaced(segments[id - 1]?.text ?? '', oneLine(text)),
    tokens: [],
    temperature: 0,
    avg_logprob: confidence === undefined ? 0 : Math.log(Math.max(confidence, 0.0001)),
    compression_ratio: 1,
    no_speech_prob: 0,
    ...(isDetailed && {
      speaker,
      words: said?.map(({ text: word, ...one }) => ({ ...one, word })),
    }),
  }))
}

function words(segments: readonly Segment[]): object[] {
  return segments.flatMap((one) =>
    (one.words ?? []).map(({ text, start, end }) => ({ word: text, start, end })),
  )
}

function speakerSegment({ start, end, text, speaker }: Segment, at: number): object {
  const type = 'transcript.text.segment'
  const id = `seg_${String(at).padStart(3, '0')}`
  return { type, id, start, end, text: oneLine(text), speaker: speaker ?? 'unknown' }
}

/** The text that was not sent yet. */
function lastDelta({ segments, after, text }: Said): string {
  const sent = textOf(segments.filter(({ start }) => start < after))
  const rest = segments.length === 0 ? text : textOf(segments.filter(({ start }) => start >= after))
  return rest === '' ? '' : event(delta(spaced(sent, rest)))
}

export function delta(text: string): object {
  return { type: 'transcript.text.delta', delta: text }
}

function done({ text, usage }: Said): object {
  return { type: 'transcript.text.done', text, usage }
}
