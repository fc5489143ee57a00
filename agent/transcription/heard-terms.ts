import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { covered, type Span } from '../../shared/span.ts'
import type { Segment } from '../../shared/transcript.ts'
import { mergeVocabularies, type Term } from '../../shared/vocabulary.ts'
import { cutWav } from '../audio/wav-cut.ts'
import type { Engine, SpeechOptions } from '../engines/engine.ts'
import { overSlots } from '../gpu/over-slots.ts'
import type { Slot, Slots } from '../gpu/slots.ts'
import { whileQuiet } from '../progress/expected-silence.ts'
import { heardInstead } from '../quality/heard-instead.ts'
import { likeTerms, type LikeTerm } from '../quality/sounds-like.ts'
import { replaceHeard } from '../quality/replace-heard.ts'
import type { PipelineParts } from './conversion.ts'
import type { PreparedAudio, Voice } from './prepared-audio.ts'

/** How often the engine is asked again: for a recording, by its seconds; and for a term and what may be it. */
const CHECKS = { least: 4, most: 40, everySeconds: 15 }
const CHECKS_EACH = 2
/** In seconds. */
const MARGIN = 0.25
const MOST_CLIP = 20

/** All of it is decoded, see {@link asksForTerms}. */
interface Recording extends Pick<PreparedAudio, 'voices'> {
  jobId: string
  segments: readonly Segment[]
  /** As it was recognised. */
  options: SpeechOptions
  workDir: string
  signal: AbortSignal
  /** The job's. */
  vocabulary: readonly Term[] | null
}

/** Writes the terms of the job's vocabulary and the agent's, also where they were heard as something that is in no list. */
export async function spell(
  { engine, slots, vocabulary = [] }: Pick<PipelineParts, 'engine' | 'slots' | 'vocabulary'>,
  recording: Recording,
): Promise<ReturnType<typeof replaceHeard>> {
  const terms = mergeVocabularies(recording.vocabulary ?? [], vocabulary)
  return replaceHeard(recording.segments, await withHeard(engine, slots, recording, terms))
}

/** Whether the engine may be asked about a place anywhere in the recording, after it is recognised. */
export function asksForTerms(
  { abilities }: Pick<Engine, 'abilities'>,
  { task }: Pick<SpeechOptions, 'task'>,
  ...vocabularies: readonly (readonly Term[] | null | undefined)[]
): boolean {
  const takesHints = abilities.hotwords || abilities.prompt
  return takesHints && task === 'transcribe' && vocabularies.some((one) => !!one?.length)
}

/**
 * A vocabulary with what its terms are heard as in this recording. Where words sound like a term, the engine recognises
 * their sentence again, with that term as its only hotword (or prompt): given a whole list, engines write names that nobody
 * said. A term counts as heard if it then stands in the place of these words, in each of two such sentences.
 * @throws the signal's reason when aborted; what fails otherwise leaves the vocabulary as it is.
 */
async function withHeard(
  engine: Engine,
  slots: Slots,
  recording: Recording,
  vocabulary: readonly Term[],
): Promise<readonly Term[]> {
  const { jobId, signal, options, segments } = recording
  if (!asksForTerms(engine, options, vocabulary)) return vocabulary
  const seconds = segments.at(-1)?.end ?? 0
  const most = Math.min(CHECKS.most, Math.max(CHECKS.least, seconds / CHECKS.everySeconds))
  const alike = (await likeTerms(segments, vocabulary)).slice(0, most / CHECKS_EACH)
  if (alike.length === 0) return vocabulary
  const heard: Term[] = []
  try {
    // Other jobs may have the slots for long.
    await whileQuiet(
      overSlots(slots, {
        jobId,
        signal,
        model: options.model,
        begin: async () => alike,
        run: async (one, slot, running) => {
          const phrase = await confirmed(engine, one, recording, slot, running)
          if (phrase !== null) heard.push({ term: one.term, heard_as: [phrase] })
        },
      }),
    )
  } catch {
    signal.throwIfAborted()
  }
  return mergeVocabularies(vocabulary, heard)
}

/** What the term is heard as; null where the engine does not write it there. */
async function confirmed(
  engine: Engine,
  { term, heard, segments: places }: LikeTerm,
  recording: Recording,
  slot: Slot,
  signal: AbortSignal,
): Promise<string | null> {
  const short = places
    .map((at) => recording.segments[at]!)
    .filter(({ start, end }) => end - start <= MOST_CLIP)
  let phrase: string | null = null
  for (const segment of short.slice(0, CHECKS_EACH)) {
    const text = await recognisedWith(term, engine, segment, { ...recording, signal }, slot)
    phrase = heardInstead({ term, heard, said: segment.text, hinted: text })
    if (phrase === null) return null
  }
  return phrase
}

/** The voice that speaks most then. */
function speakingIn(voices: Recording['voices'], span: Span): Voice {
  return voices.reduce((most, voice) =>
    covered(span, voice.speech) > covered(span, most.speech) ? voice : most,
  )
}

async function recognisedWith(
  term: string,
  engine: Engine,
  { start, end, language }: Segment,
  { voices, options: asked, ...recording }: Recording,
  slot: Slot,
): Promise<string> {
  const { signal } = recording
  const folder = path.join(recording.workDir, `term-${slot.index}`)
  const [wavPath, workDir] = [path.join(folder, 'clip.wav'), path.join(folder, 'engine')]
  const hint = (before: string | null): string => (before === null ? term : `${before}, ${term}`)
  const hints = engine.abilities.hotwords
    ? { hotwords: hint(asked.hotwords) }
    : { prompt: hint(asked.prompt) }
  try {
    await mkdir(workDir, { recursive: true })
    const span = { start: Math.max(0, start - MARGIN), end: end + MARGIN }
    const { wavPath: whole } = speakingIn(voices, { start, end })
    const durationSeconds = await cutWav(whole, [span], wavPath, signal)
    const { segments } = await engine.transcribe({
      wavPath,
      durationSeconds,
      workDir,
      slot,
      signal,
      speech: [{ start: 0, end: durationSeconds }],
      options: {
        ...asked,
        ...hints,
        language: language ?? asked.language,
        words: false,
        speakers: null,
      },
      again: false,
      onProgress: () => undefined,
    })
    return segments.map(({ text }) => text).join(' ')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
