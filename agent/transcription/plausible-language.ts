import { AppError } from '../../shared/errors.ts'
import type { Engine, Recognised } from '../engines/engine.ts'
import type { Disagreement } from '../engines/moonshine/second-pass.ts'
import { modelLabel } from '../engines/model-name.ts'
import { formatTimestamp } from '../../shared/duration.ts'
import { languageCode } from '../../shared/languages.ts'
import type { Span } from '../audio/span.ts'

/** What is known of the language of a recording beside what is heard. */
export interface LanguageHints {
  /** As the job says it; null: it does not. */
  asked: string | null
  /** As the track is tagged; null: it is not. */
  tag: string | null
}

/** Whether a piece is in a language that the engine knows; `mixed`: one part of it is, another is not. */
export type Verdict = 'known' | 'doubtful' | 'mixed' | 'foreign'

/**
 * Such a share of the words are others when they are heard again, or go round in circles: of people's English up to 0.08, of a
 * synthesizer's 0.3; of other languages from 0.38 on. See `npm run bench -- languages`.
 */
const DOUBTFUL = 0.25
const FOREIGN = 0.42
/** With a tag of another language less is enough, with one of this language more is wanted. */
const TAGGED = 0.12
/** Nothing is refused for fewer words: a sentence full of names differs as much as another language does. */
const LEAST_WORDS = 10

/** What to make of a second hearing; null doubt: the engine tells languages apart by itself. */
export function verdictOf(
  { doubt, segments }: Pick<Recognised, 'doubt' | 'segments'>,
  { tag }: Pick<LanguageHints, 'tag'>,
  languages: readonly string[] | null,
): Verdict {
  if (doubt === undefined || languages === null || doubt.words === 0) return 'known'
  const code = languageCode(tag)
  const shift = code === null ? 0 : languages.includes(code) ? TAGGED : -TAGGED
  // Without any text nothing is invented: it may be music.
  const { elsewhere = { words: 0, differing: 0 } } = doubt
  if (Math.min(doubt.words, elsewhere.words) < LEAST_WORDS) {
    return ofSample(both(doubt, elsewhere), shift, segments.length > 0)
  }
  const here = ofSample(doubt, shift, segments.length > 0)
  const there = ofSample(elsewhere, shift, segments.length > 0)
  if (here === 'foreign') return there === 'known' ? 'mixed' : 'foreign'
  return there === 'foreign' ? 'mixed' : here
}

function both(one: Disagreement, other: Disagreement): Disagreement {
  return { words: one.words + other.words, differing: one.differing + other.differing }
}

function ofSample(
  { words, differing }: Disagreement,
  shift: number,
  hasText: boolean,
): 'known' | 'doubtful' | 'foreign' {
  const share = differing / words
  const isProof = words >= LEAST_WORDS && hasText
  if (share >= FOREIGN + shift) return isProof ? 'foreign' : 'doubtful'
  return share < DOUBTFUL + shift ? 'known' : 'doubtful'
}

/** What a reader should know of a verdict on a piece of the recording, in seconds. */
export function languageWarning(
  verdict: Exclude<Verdict, 'known'>,
  engine: Engine,
  { start, end }: Span,
): string {
  const known = knownTo(engine)
  if (verdict === 'mixed') {
    return `Between ${formatTimestamp(start)} and ${formatTimestamp(end)} some of what is said seems to be in another language than ${known}, the only one that ${engine.info.name} knows: its words are invented there, and nothing marks them. Use an engine that knows more (whisper-cpp, faster-whisper).`
  }
  return verdict === 'foreign'
    ? `What is said seems to be in another language than ${known}, the only one that ${engine.info.name} knows: its words are invented where that is so.`
    : `It is not certain that ${known} is spoken, the only language that ${engine.info.name} knows: compare the text with the recording.`
}

/** The refusal of a recording that the engine does not understand. */
export function foreignLanguage(engine: Engine): AppError {
  const { name, model } = engine.info
  return new AppError(
    'unsupported_language',
    `What is said does not seem to be ${knownTo(engine)}, the only language that ${name} (${modelLabel(model)}) knows. Use an engine that knows more (whisper-cpp, faster-whisper), or name the language if it is that one.`,
  )
}

function knownTo({ abilities: { languages } }: Engine): string {
  const names = new Intl.DisplayNames(['en'], { type: 'language' })
  return (languages ?? []).map((code) => names.of(code) ?? code).join(' or ')
}
