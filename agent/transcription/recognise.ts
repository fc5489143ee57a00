import { lengthOf } from '../audio/parts.ts'
import { totalLength } from '../audio/span.ts'
import type { Engine, SpeechOptions } from '../engines/engine.ts'
import { overSlots } from '../gpu/over-slots.ts'
import type { Slot, Slots } from '../gpu/slots.ts'
import { detectLanguage } from './detect-language.ts'
import { PartsInOrder, planPieces, spanOf, type FinishedPart, type Piece } from './pieces.ts'
import {
  foreignLanguage,
  languageWarning,
  verdictOf,
  type LanguageHints,
} from './plausible-language.ts'
import type { PreparedAudio } from './prepared-audio.ts'
import { recognisePiece, type Reviewed } from './recognise-piece.ts'
import { SpeechProgress } from './speech-progress.ts'
import { tellsSpeakers } from './tells-speakers.ts'
import type { TranscriptDraft } from './transcript-draft.ts'

export interface RecognitionRequest {
  jobId: string
  audio: Pick<PreparedAudio, 'voices' | 'offsetSeconds' | 'seconds' | 'vadMethod'>
  /** Nothing of it was recognised before. */
  isNew: boolean
  /** Parts that an earlier attempt finished, and not those before them. */
  ahead: readonly FinishedPart[]
  asked: LanguageHints['asked']
  tag: LanguageHints['tag']
  options: SpeechOptions
  workDir: string
  signal: AbortSignal
  draft: TranscriptDraft
  report: (stage: 'loading' | 'transcribing', seconds: number) => void
  /** @param ahead finished parts that are not in the draft: one before them is not finished. */
  onPart: (ahead: readonly FinishedPart[]) => void
}

/**
 * Recognises the parts of a recording that are not done, on one slot or on several. After each, the draft and the
 * voices' `doneUntil` are up to date; they and the text do not depend on how many slots there were.
 * @throws {AppError} as the engine; the signal's reason when aborted.
 */
export async function recognise(
  engine: Engine,
  slots: Slots,
  request: RecognitionRequest,
): Promise<void> {
  const { jobId, signal, draft, audio } = request
  const recognition = new Recognition(engine, request)
  await overSlots(slots, {
    jobId,
    signal,
    begin: (slot) => recognition.begin(slot),
    run: (piece, slot, running) => recognition.recognise(piece, slot, running),
  })
  draft.sort()
  request.report('transcribing', audio.seconds)
}

class Recognition {
  readonly #engine: Engine
  readonly #request: RecognitionRequest
  #parts = new PartsInOrder([], [])
  #progress = new SpeechProgress(0, [])
  #options: SpeechOptions
  #wasMixed = false

  constructor(engine: Engine, request: RecognitionRequest) {
    this.#engine = engine
    this.#request = request
    this.#options = request.options
  }

  async begin(slot: Slot): Promise<Piece[]> {
    const { signal, options, draft, audio, ahead, report } = this.#request
    const { voices, seconds: totalSeconds } = audio
    report('loading', 0)
    await this.#engine.prepare(slot, signal, options.model)
    await this.#decideLanguage(slot)
    const language = draft.decided?.language ?? null
    const plain = { ...options, language, speakers: null }
    const isDiarized =
      options.speakers !== null &&
      (await tellsSpeakers(this.#engine, { ...this.#firstVoice(slot), options: plain }))
    this.#options = isDiarized ? { ...plain, speakers: options.speakers } : plain
    // An engine tells speakers apart within one piece only: with diarization, the recording is one piece.
    const partSeconds = !isDiarized ? this.#engine.abilities.partSeconds : Infinity
    const pieces = planPieces(voices, ahead, { partSeconds, totalSeconds })
    this.#parts = new PartsInOrder(pieces, ahead)
    this.#addFinished()
    this.#progress = new SpeechProgress(
      voices.reduce((sum, { speech }) => sum + totalLength(speech), 0),
      pieces.map(({ part }) => part.speech),
    )
    this.#report()
    return pieces
  }

  async recognise(piece: Piece, slot: Slot, signal: AbortSignal): Promise<void> {
    const { audio, workDir, onPart } = this.#request
    const { speech } = piece.part
    const length = lengthOf(piece.part)
    const recognised = await recognisePiece(this.#engine, piece, {
      ...audio,
      options: this.#options,
      workDir,
      slot,
      signal,
      onProgress: (within) => {
        this.#progress.advance(speech, length > 0 ? within / length : 1)
        this.#report()
      },
    })
    this.#parts.finish(piece, this.#finished(piece, recognised))
    this.#addFinished()
    this.#progress.finish(speech)
    this.#report()
    onPart(this.#parts.ahead)
  }

  async #decideLanguage(slot: Slot): Promise<void> {
    const { options, draft, isNew } = this.#request
    if (!isNew || draft.decided !== null) return
    const { model } = options
    const voted = await detectLanguage(this.#engine, { ...this.#firstVoice(slot), model })
    draft.decided = voted.language
    if (voted.warning !== null) draft.warn(voted.warning)
  }

  /** Its speech is in seconds of its file. */
  #firstVoice(slot: Slot) {
    const { signal, audio, workDir } = this.#request
    const { voices, offsetSeconds } = audio
    const { wavPath, speech: spans } = voices[0]!
    const speech = spans
      .map(({ start, end }) => ({ start: start - offsetSeconds, end: end - offsetSeconds }))
      .filter(({ start }) => start >= 0)
    return { wavPath, speech, workDir, slot, signal }
  }

  #finished(piece: Piece, recognised: Reviewed): FinishedPart {
    const { languages } = this.#engine.abilities
    const verdict = verdictOf(recognised, this.#request, languages)
    const { segments, dropped, warnings, language, languageProbability } = recognised
    return {
      ...spanOf(piece),
      channel: piece.voice.channel,
      verdict,
      // A language that was not recognised is not claimed, whatever the job says.
      language: verdict === 'known' ? language : null,
      ...(languageProbability === undefined ? {} : { languageProbability }),
      seconds: lengthOf(piece.part),
      segments,
      dropped,
      warnings:
        verdict === 'known'
          ? warnings
          : [...warnings, languageWarning(verdict, this.#engine, spanOf(piece))],
    }
  }

  #addFinished(): void {
    for (let part = this.#parts.take(); part !== null; part = this.#parts.take()) this.#add(part)
  }

  #add(part: FinishedPart): void {
    const { draft, asked, audio } = this.#request
    const { verdict, channel, end } = part
    // Once a part was in a known language, the rest is not refused.
    const isFirst = draft.isUnknown && !this.#wasMixed
    if (verdict === 'foreign' && isFirst && asked === null) throw foreignLanguage(this.#engine)
    if (verdict === 'foreign' || verdict === 'mixed') draft.decided = null
    this.#wasMixed ||= verdict === 'mixed'
    draft.add(part)
    audio.voices.find((voice) => voice.channel === channel)!.doneUntil = end
  }

  #report(): void {
    const { audio, report } = this.#request
    report('transcribing', audio.seconds * this.#progress.share)
  }
}
