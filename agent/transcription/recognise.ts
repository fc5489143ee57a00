import { lengthOf } from '../audio/parts.ts'
import { totalLength } from '../../shared/span.ts'
import type { Engine, SpeechOptions } from '../engines/engine.ts'
import { overSlots } from '../gpu/over-slots.ts'
import type { Slot, Slots } from '../gpu/slots.ts'
import { detectLanguages } from './detect-language.ts'
import { spokenIn } from './language-runs.ts'
import {
  languageOf,
  PartsInOrder,
  planPieces,
  spanOf,
  type FinishedPart,
  type Piece,
} from './pieces.ts'
import {
  foreignLanguage,
  languageWarning,
  oneLanguageWarning,
  verdictOf,
  type LanguageHints,
} from './plausible-language.ts'
import type { PreparedAudio, Voice } from './prepared-audio.ts'
import { recognisePiece, type Reviewed } from './recognise-piece.ts'
import { SpeechProgress } from './speech-progress.ts'
import { tellsSpeakers } from './tells-speakers.ts'
import type { DraftLanguage, TranscriptDraft } from './transcript-draft.ts'

export interface RecognitionRequest {
  jobId: string
  audio: Pick<PreparedAudio, 'voices' | 'offsetSeconds' | 'seconds' | 'vadMethod'>
  /** Nothing of it was recognised before. */
  isNew: boolean
  /** Parts that an earlier attempt finished, and not those before them. */
  ahead: readonly FinishedPart[]
  asked: LanguageHints['asked']
  /** To choose from; null: any. */
  languages: readonly string[] | null
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
    model: request.options.model,
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
  /** Of all pieces; null: each has its own. */
  #language: DraftLanguage | null = null
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
    await this.#detectLanguages(slot)
    const plain = { ...options, language: draft.decided?.language ?? null, speakers: null }
    const isDiarized =
      options.speakers !== null &&
      (await tellsSpeakers(this.#engine, { ...this.#audioOf(voices[0]!, slot), options: plain }))
    this.#options = isDiarized ? options : plain
    this.#decideLanguage(isDiarized)
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
    const given = this.#language ?? languageOf(piece)
    const recognised = await recognisePiece(this.#engine, piece, {
      ...audio,
      options: { ...this.#options, language: given?.language ?? null },
      workDir,
      slot,
      signal,
      onProgress: (within) => {
        this.#progress.advance(speech, length > 0 ? within / length : 1)
        this.#report()
      },
    })
    this.#parts.finish(piece, this.#finished(piece, recognised, given))
    this.#addFinished()
    this.#progress.finish(speech)
    this.#report()
    onPart(this.#parts.ahead)
  }

  async #detectLanguages(slot: Slot): Promise<void> {
    const { options, languages, draft, audio, isNew } = this.#request
    if (!isNew || draft.decided !== null) return
    for (const voice of audio.voices) {
      const recording = { ...this.#audioOf(voice, slot), languages, model: options.model }
      const { runs, warning } = await detectLanguages(this.#engine, recording)
      voice.languages = runs
      if (warning !== null) draft.warn(warning)
    }
  }

  /** @param isOnePiece the recording is recognised at once, in one language. */
  #decideLanguage(isOnePiece: boolean): void {
    const { draft, audio, isNew } = this.#request
    const spoken = spokenIn(audio.voices)
    if (isNew && draft.decided === null && (spoken.length === 1 || isOnePiece)) {
      draft.decided = spoken[0] ?? null
      const languages = spoken.map(({ language }) => language)
      if (languages.length > 1) draft.warn(oneLanguageWarning(this.#engine, languages))
    }
    if (isOnePiece) for (const voice of audio.voices) voice.languages = []
    this.#language = draft.decided
  }

  /** Its speech is in seconds of its file. */
  #audioOf({ wavPath, speech: spans }: Voice, slot: Slot) {
    const { signal, audio, workDir } = this.#request
    const { offsetSeconds } = audio
    const speech = spans
      .map(({ start, end }) => ({ start: start - offsetSeconds, end: end - offsetSeconds }))
      .filter(({ start }) => start >= 0)
    return { wavPath, speech, workDir, slot, signal }
  }

  /** @param given the language that the piece was recognised in; null: the engine has detected it. */
  #finished(piece: Piece, recognised: Reviewed, given: DraftLanguage | null): FinishedPart {
    const { languages } = this.#engine.abilities
    const verdict = verdictOf(recognised, this.#request, languages)
    const { segments, dropped, warnings } = recognised
    const language = recognised.language ?? given?.language ?? null
    const known = language === given?.language ? given?.probability : null
    const languageProbability = recognised.languageProbability ?? known ?? undefined
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
