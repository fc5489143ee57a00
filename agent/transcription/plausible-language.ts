import { AppError } from '../../shared/errors.ts'
import type { Engine, Recognised } from '../engines/engine.ts'
import type { Disagreement } from '../engines/moonshine/second-pass.ts'
import { modelLabel } from '../engines/model-name.ts'
import { formatTimestamp } from '../../shared/duration.ts'
import { languageCode } from '../../shared/languages.ts'
import type { Span } from '../../shared/span.ts'

export interface LanguageHints {
  /** The job's; null: none. */
  asked: string | null
  /** The track's; null: none. */
  tag: string | null
}

/** Whether a piece is in a language that the engine knows; `mixed`: only in part. */
export type Verdict = 'known' | 'doubtful' | 'mixed' | 'foreign'

/**
 * The share of words that differ in a second recognition, or are repetitions: of spoken English up to 0.08, of a speech
 * synthesizer's 0.3; of other languages from 0.38. See `npm run bench -- languages`.
 */
const DOUBTFUL = 0.25
const FOREIGN = 0.42
/** Added for a track that is tagged with a known language, subtracted for another one. */
const TAGGED = 0.12
/** A sentence full of names differs as much as another language does: fewer words than this are no proof. */
const LEAST_WORDS = 10

/** Judges a second recognition; without `doubt` the engine distinguishes languages by itself. */
export function verdictOf(
  { doubt, segments }: Pick<Recognised, 'doubt' | 'segments'>,
  { tag }: Pick<LanguageHints, 'tag'>,
  languages: readonly string[] | null,
): Verdict {
  if (doubt === undefined || languages === null || doubt.words === 0) return 'known'
  const code = languageCode(tag)
  const shift = code === null ? 0 : languages.includes(code) ? TAGGED : -TAGGED
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
  // Without any text nothing is invented: it may be music.
  const isProof = words >= LEAST_WORDS && hasText
  if (share >= FOREIGN + shift) return isProof ? 'foreign' : 'doubtful'
  return share < DOUBTFUL + shift ? 'known' : 'doubtful'
}

/** A warning for readers. @param span of the piece, in seconds. */
export function languageWarning(
  verdict: Exclude<Verdict, 'known'>,
  engine: Engine,
  { start, end }: Span,
): string {
  const known = knownTo(engine)
  if (verdict === 'mixed') {
    return `Between ${formatTimestamp(start)} and ${formatTimestamp(end)} some of the speech seems to be in another language than ${known}, the only one that ${engine.info.name} knows: its words there are invented and not marked. Use an engine that knows more (whisper-cpp, faster-whisper).`
  }
  return verdict === 'foreign'
    ? `The speech seems to be in another language than ${known}, the only one that ${engine.info.name} knows: such words are invented.`
    : `The speech may not be ${known}, the only language that ${engine.info.name} knows: compare the text with the recording.`
}

/** A warning where an engine is to tell speakers apart, for which the recording is one piece. @param languages codes. */
export function oneLanguageWarning(engine: Engine, languages: readonly string[]): string {
  const [first = '', ...others] = languages.map(nameOf)
  return `The speech is in ${[first, ...others].join(' and ')}, but ${engine.info.name} distinguishes speakers in one language at a time: all of it was recognised as ${first}.`
}

export function foreignLanguage(engine: Engine): AppError {
  const { name, model } = engine.info
  return new AppError(
    'unsupported_language',
    `The speech does not seem to be ${knownTo(engine)}, the only language that ${name} (${modelLabel(model)}) knows. Get a model that knows more (morag-agent models pull recommended) or an engine (whisper-cpp, faster-whisper), or set the language if it is that one.`,
  )
}

function knownTo({ abilities: { languages } }: Engine): string {
  return (languages ?? []).map(nameOf).join(' or ')
}

function nameOf(code: string): string {
  return new Intl.DisplayNames(['en'], { type: 'language' }).of(code) ?? code
}
