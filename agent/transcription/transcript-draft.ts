import type { Segment, Transcript } from '../../shared/transcript.ts'
import type { RecognisedSegment } from './recognised-segment.ts'

/** How much was recognised in a language, in seconds of audio, and how sure the engine was of the language. */
interface SpokenSeconds {
  seconds: number
  /** The sum of seconds times probability. */
  weighed: number
  /** The seconds that have a probability. */
  knownSeconds: number
}

export interface DraftLanguage {
  language: string
  /** Null: not known. */
  probability: number | null
}

interface DraftState {
  /** What the job says, or the only one that was detected; null: each part has its own. */
  decided: DraftLanguage | null
  /** By ISO 639-1 code, the languages of the parts. */
  languages: Record<string, SpokenSeconds>
  segments: RecognisedSegment[]
  /** How many segments were left out: text outside speech. */
  dropped: number
  /** Kept across attempts, each once. */
  warnings: string[]
}

/** A part of the recording that is recognised. */
export interface DraftPart {
  /** Null: not certain. */
  language: string | null
  languageProbability?: number | undefined
  /** Of audio. */
  seconds: number
  segments: readonly RecognisedSegment[]
  dropped: number
  warnings: readonly string[]
}

/** The transcript of a recording, as far as it is recognised. */
export class TranscriptDraft implements DraftState {
  decided: DraftState['decided']
  readonly languages: DraftState['languages']
  readonly segments: RecognisedSegment[]
  readonly warnings: string[]
  #dropped: number

  constructor({
    decided = null,
    languages = {},
    segments = [],
    dropped = 0,
    warnings = [],
  }: Partial<DraftState> = {}) {
    this.decided = decided
    this.languages = structuredClone(languages)
    this.segments = [...segments]
    this.warnings = [...warnings]
    this.#dropped = dropped
  }

  get dropped(): number {
    return this.#dropped
  }

  /** Whether no language was recognised yet. */
  get isUnknown(): boolean {
    return Object.keys(this.languages).length === 0
  }

  warn(text: string): void {
    if (!this.warnings.includes(text)) this.warnings.push(text)
  }

  add({ language, languageProbability, seconds, segments, dropped, warnings }: DraftPart): void {
    const spoken = segments.map((one) =>
      language === null || one.language !== undefined ? one : { ...one, language },
    )
    // An engine that has windows of its own may give each another language.
    const others = spoken.filter((one) => one.language !== undefined && one.language !== language)
    for (const one of others) {
      this.#count(one.language!, undefined, one.end - one.start)
    }
    const rest = seconds - others.reduce((sum, { start, end }) => sum + end - start, 0)
    if (language !== null) this.#count(language, languageProbability, Math.max(0, rest))
    for (const text of warnings) this.warn(text)
    this.segments.push(...spoken)
    this.#dropped += dropped
  }

  /** Parts of several voices are added one after the other. */
  sort(): void {
    this.segments.sort((a, b) => a.start - b.start || a.end - b.end)
  }

  /** @param segments those of the draft, with the names of their speakers. */
  toTranscript(
    segments: readonly RecognisedSegment[],
    durationSeconds: number,
    { withSpeakers }: { withSpeakers: boolean },
  ): Transcript {
    const spoken = this.decided ?? this.#mostFrequentLanguage()
    const languages = this.#shares()
    const probability = spoken?.probability ?? null
    return {
      language: spoken?.language ?? null,
      ...(probability === null ? {} : { languageProbability: probability }),
      ...(languages.length === 0 ? {} : { languages }),
      durationSeconds,
      segments: segments.map((one) => {
        const { avgLogprob: _, noSpeechProb: __, compressionRatio: ___, speaker, ...said } = one
        return speaker === undefined || !withSpeakers ? said : { ...said, speaker }
      }),
    }
  }

  /**
   * What a reader should know about the certainty of the text.
   * @param segments those of the transcript.
   */
  doubts(segments: readonly Segment[], { hasSpeech }: { hasSpeech: boolean }): string[] {
    const { dropped } = this
    const counts = new Map<string, number>()
    for (const flag of segments.flatMap(({ flags }) => flags ?? [])) {
      counts.set(flag, (counts.get(flag) ?? 0) + 1)
    }
    const marked = segments.filter(({ flags = [] }) => flags.length > 0).length
    const listed = [...counts].map(([flag, count]) => `${flag} ${count}`).join(', ')
    const doubts: string[] = []
    if (!hasSpeech) doubts.push('No speech was found in it: the transcript is empty.')
    else if (segments.length === 0 && dropped === 0)
      doubts.push('Speech may be in it, but no words were recognised: the transcript is empty.')
    if (marked > 0) doubts.push(`${marked} segment(s) are marked as doubtful (${listed}).`)
    if (dropped > 0) doubts.push(`${dropped} segment(s) were left out: text outside speech.`)
    return doubts
  }

  #count(language: string, probability: number | undefined, seconds: number): void {
    const share = (this.languages[language] ??= { seconds: 0, weighed: 0, knownSeconds: 0 })
    share.seconds += seconds
    if (probability === undefined) return
    share.weighed += seconds * probability
    share.knownSeconds += seconds
  }

  /** Of the speech whose language is known, the most spoken first. */
  #shares(): NonNullable<Transcript['languages']> {
    const total = Object.values(this.languages).reduce((sum, { seconds }) => sum + seconds, 0)
    return Object.entries(this.languages)
      .toSorted(([, a], [, b]) => b.seconds - a.seconds)
      .map(([language, { seconds }]) => ({
        language,
        share: total > 0 ? Math.round((seconds / total) * 1000) / 1000 : 1,
      }))
  }

  /** Null when no language was recognised. The probability is null where no engine gave one. */
  #mostFrequentLanguage(): DraftState['decided'] {
    const [most] = Object.entries(this.languages).toSorted(([, a], [, b]) => b.seconds - a.seconds)
    if (most === undefined) return null
    const [language, { weighed, knownSeconds }] = most
    return { language, probability: knownSeconds > 0 ? weighed / knownSeconds : null }
  }
}
