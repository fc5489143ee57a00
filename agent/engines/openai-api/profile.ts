import type { RecognisedSegment } from '../../transcription/recognised-segment.ts'
import type { ServerKind } from './kind.ts'

/** Response forms, the best first: many servers know only some. */
export const FORMS = ['words', 'segments', 'text'] as const
export type Form = (typeof FORMS)[number]

/** What a server gives for a model, as far as it is known. */
export interface Profile {
  /** The best form that was not refused. With `text` the times are ours. */
  form: Form
  /** Whether it gave times that can be true. */
  isProven: boolean
  /** Why the times are ours, for people; null where they are the server's. */
  why: string | null
  hotwords: 'field' | 'prompt'
  refusesHotwords: boolean
  /** Whether it tells speakers apart; null: unknown. */
  speakers: boolean | null
}

export function newProfile(kind: ServerKind): Profile {
  const isVllm = kind === 'vllm'
  return {
    form: isVllm ? 'text' : 'words',
    isProven: kind === 'whisper.cpp',
    why: isVllm ? 'vLLM loses words where it gives timestamps' : null,
    hotwords: kind === 'openai' ? 'prompt' : 'field',
    refusesHotwords: false,
    speakers: kind === 'whisper.cpp' || isVllm ? false : null,
  }
}

const NO_TIMES = 'the server gives no timestamps'

/** Goes on with the next best form. Another request may have found less meanwhile. */
export function refuseForm(profile: Profile, form: Form): void {
  const next = Math.max(FORMS.indexOf(profile.form), FORMS.indexOf(form) + 1)
  profile.form = FORMS[next] ?? 'text'
  if (profile.form === 'text') profile.why ??= NO_TIMES
}

/** Goes on with text alone, and times of ours. */
export function distrust(profile: Profile, why: string): void {
  profile.form = 'text'
  profile.isProven = false
  profile.why = why
}

/** Whisper's own segments are never longer, also with silence in them; one with words has times within it. */
const MAX_SEGMENT_SECONDS = 90
/** Segments with less than this share of the characters in the text beside them have lost some. */
const LEAST_SHARE = 0.97

/** Why a server's times cannot be true; null: they may be. @param text of the whole answer. */
export function whyNot(segments: readonly RecognisedSegment[], text: string): string | null {
  if (segments.length === 0) return text.trim() === '' ? null : NO_TIMES
  // A single word without a length is odd, and no proof.
  if (segments.length > 1 && segments.every(({ start, end }) => end <= start)) return NO_TIMES
  const isLong = segments.some(
    ({ start, end, words = [] }) => words.length < 2 && end - start > MAX_SEGMENT_SECONDS,
  )
  if (isLong) return 'the server gives timestamps for whole recordings only'
  const said = lettersOf(segments.map((segment) => segment.text).join(''))
  const isLess = said < lettersOf(text) * LEAST_SHARE
  return isLess ? 'the server loses words where it gives timestamps' : null
}

function lettersOf(text: string): number {
  return text.match(/[\p{L}\p{N}]/gu)?.length ?? 0
}
