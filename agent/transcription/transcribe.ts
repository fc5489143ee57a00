import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Transcript } from '../../shared/transcript.ts'
import { checkpointOf, readCheckpoint, draftSoFar, type Checkpoint } from './checkpoint.ts'
import type { ConvertInput, TranscribedMedia, PipelineParts } from './conversion.ts'
import type { Engine } from '../engines/engine.ts'
import type { RecognisedSegment } from './recognised-segment.ts'
import { modelLabel } from '../engines/model-name.ts'
import { mostFrequentLanguage } from './language-tally.ts'
import { prepareTracks, MIX } from './prepare-tracks.ts'
import type { PreparedAudio } from './prepared-audio.ts'
import type { JobOptions } from '../job-options.ts'
import type { AudioTrack, MediaInfo } from '../media/media-info.ts'
import type { TrackWish } from '../media/track-rank.ts'
import { overall, type Stage } from '../progress/progress.ts'
import { recognise, type RecognitionRequest } from './recognise.ts'
import type { Slot } from '../gpu/slots.ts'
import { labelSpeakers } from '../diarization/label-speakers.ts'
import { refuseUnknown, engineOptions } from './engine-options.ts'
import { detectLanguage } from './detect-language.ts'
import type { TranscriptDraft } from './transcript-draft.ts'

/** What is said in the file, or null when there is nothing to hear in it. Waits for a slot once all is ready for it. */
export async function listen(
  parts: PipelineParts,
  input: ConvertInput,
  media: MediaInfo,
  options: JobOptions,
): Promise<TranscribedMedia | null> {
  // Decoded sound is many times as large as its file, and of no use to anybody after this.
  const sounds = path.join(input.workDir, 'sounds')
  try {
    await mkdir(sounds, { recursive: true })
    return await transcribeIn(parts, { ...input, workDir: sounds }, media, options)
  } finally {
    await rm(sounds, { recursive: true, force: true })
  }
}

async function transcribeIn(
  parts: PipelineParts,
  input: ConvertInput,
  media: MediaInfo,
  options: JobOptions,
): Promise<TranscribedMedia | null> {
  const { engine, slots } = parts
  const { sourcePath, workDir, signal, report, sha256 } = input
  const warnings: string[] = []
  const asked = engineOptions(options, engine, parts)
  warnings.push(...asked.warnings)
  const wantsSpeakers = options.diarize ?? parts.speakers.always
  const madeOf = (track: AudioTrack | null): string =>
    JSON.stringify([asked.options, wantsSpeakers, track?.index ?? MIX])
  let mediaSeconds = media.durationSeconds
  let clockJumps = false
  const tell = (stage: Stage, processedSeconds: number): void => {
    const within = mediaSeconds > 0 ? processedSeconds / mediaSeconds : 0
    const known = mediaSeconds > 0 ? { mediaSeconds } : {}
    const done = stage === 'transcribing' ? { processedSeconds } : {}
    report({ stage, ratio: overall(stage, within), ...known, ...done })
  }
  const info = { ...engine.info, model: modelLabel(engine.info.model) }
  const heard = await prepareTracks(parts, {
    sourcePath,
    media,
    wish: trackWish(options, parts),
    byChannel: wantsSpeakers,
    whole: wantsSpeakers && parts.speakers.models !== null,
    workDir,
    signal,
    checkpointOf(of) {
      const checkpoint = checkpointFor(input, madeOf(of))
      if (asked.options.model === null) refuseTold(checkpoint, engine)
      return checkpoint
    },
    tell,
    onClockJump() {
      clockJumps = true
    },
  })
  if (heard === null) return null
  const { hearing, track, checkpoint } = heard
  const made = madeOf(heard.isMix ? null : track)
  mediaSeconds = hearing.seconds
  const resumed = hearing.resumed ? checkpoint : null
  const draft = draftSoFar(resumed, asked.options.language, info)
  // Whoever goes on does not find out again why it is this track, and what is the matter with it.
  for (const text of heard.warnings) {
    if (!draft.warnings.includes(text)) draft.warnings.push(text)
  }
  const calls = hearing.voices.length > 1
  const request = {
    ...hearing,
    totalSeconds: hearing.seconds,
    asked: asked.options.language,
    tag: track.language,
    // Where the channels are the speakers, nobody else has to tell them apart.
    options: wantsSpeakers && !calls ? asked.options : { ...asked.options, speakers: null },
    workDir,
    signal,
    draft,
    onProgress: (seconds: number) => tell('transcribing', seconds),
    onPart: () => {
      if (sha256 === undefined || input.onCheckpoint === undefined) return
      const soFar = { source: sha256, options: made, engine: info, track: track.index }
      input.onCheckpoint(checkpointOf(soFar, hearing, draft))
    },
  }
  if (
    hearing.voices.some(({ speech, doneUntil }) => speech.some((one) => one.start >= doneUntil))
  ) {
    tell('waiting', 0)
    await slots.use(signal, (slot) =>
      onSlot(parts, input, slot, { ...request, isNew: resumed === null }, tell),
    )
  }
  const named = wantsSpeakers
    ? await labelSpeakers(draft.segments, {
        settings: parts.speakers,
        wavPath: hearing.wavPath,
        count: { min: options.minSpeakers, max: options.maxSpeakers },
        signal,
      })
    : { segments: draft.segments, warning: null }
  if (named.warning !== null) warnings.push(named.warning)
  if (hearing.finder === 'loudness') {
    warnings.push(
      'Speech was detected by loudness alone (no VAD): install sherpa-onnx-node to distinguish it from noise.',
    )
  }
  warnings.push(...draft.warnings, ...doubts(draft, hearing))
  return {
    transcript: transcriptOf(draft, named.segments, hearing.seconds, wantsSpeakers),
    engine: { ...info, model: modelLabel(asked.options.model ?? info.model) },
    track,
    heardSeconds: hearing.seconds,
    clockJumps,
    subtitles: null,
    warnings,
  }
}

/** How far an earlier attempt came with this source and what was made of the options. */
function checkpointFor({ sha256, checkpoint }: ConvertInput, made: string): Checkpoint | null {
  return sha256 === undefined ? null : readCheckpoint(checkpoint, sha256, made)
}

/** An engine before us may have told the language from the recording. @throws {AppError} `unsupported_language` */
function refuseTold(checkpoint: Checkpoint | null, engine: Engine): void {
  refuseUnknown(checkpoint?.decided?.language ?? null, engine)
}

function trackWish({ language, audioTrack }: JobOptions, parts: PipelineParts): TrackWish {
  return { language, wanted: audioTrack ?? parts.audioTrack ?? null }
}

/** What was understood, in the words of the result. */
function transcriptOf(
  { decided, heard }: TranscriptDraft,
  segments: readonly RecognisedSegment[],
  durationSeconds: number,
  /** Whoever did not ask who speaks is not told: the sides of a call are heard apart all the same. */
  wantsSpeakers: boolean,
): Transcript {
  const spoken = decided ?? mostFrequentLanguage(heard)
  const probability = spoken?.probability ?? null
  return {
    language: spoken?.language ?? null,
    ...(probability === null ? {} : { languageProbability: probability }),
    durationSeconds,
    segments: segments.map(({ start, end, text, speaker, words, flags }) => ({
      start,
      end,
      text,
      ...(speaker === undefined || !wantsSpeakers ? {} : { speaker }),
      ...(words === undefined ? {} : { words }),
      ...(flags === undefined || flags.length === 0 ? {} : { flags }),
    })),
  }
}

type SlotRequest = Omit<RecognitionRequest, 'slot'> & {
  /** Nothing of it was recognised before. */
  isNew: boolean
}

/** The part that needs the engine. */
async function onSlot(
  { engine, slots }: PipelineParts,
  { jobId, signal }: ConvertInput,
  slot: Slot,
  request: SlotRequest,
  tell: (stage: Stage, seconds: number) => void,
): Promise<void> {
  const { draft, options, voices, offsetSeconds, isNew } = request
  try {
    tell('loading', 0)
    await engine.prepare(slot, signal, options.model)
    if (isNew && draft.decided === null) {
      const [first] = voices
      const speech = first!.speech
        .map(({ start, end }) => ({ start: start - offsetSeconds, end: end - offsetSeconds }))
        .filter(({ start }) => start >= 0)
      const { wavPath } = first!
      const { workDir } = request
      const { model } = options
      const recording = { wavPath, speech, workDir, slot, signal, model }
      const voted = await detectLanguage(engine, recording)
      draft.decided = voted.language
      if (voted.warning !== null) draft.warnings.push(voted.warning)
    }
    tell('transcribing', 0)
    await recognise(engine, {
      ...request,
      slot,
      options: { ...options, language: draft.decided?.language ?? null },
    })
    slots.note(slot, jobId, null)
  } catch (error) {
    if (!signal.aborted) slots.note(slot, jobId, error)
    throw error
  }
}

/** What a reader should know about the certainty of the text. */
function doubts({ segments, dropped }: TranscriptDraft, { voices }: PreparedAudio): string[] {
  const counts = new Map<string, number>()
  for (const flag of segments.flatMap(({ flags }) => flags ?? [])) {
    counts.set(flag, (counts.get(flag) ?? 0) + 1)
  }
  const marked = segments.filter(({ flags }) => flags !== undefined && flags.length > 0).length
  const listed = [...counts].map(([flag, count]) => `${flag} ${count}`).join(', ')
  const hasSpeech = voices.some(({ speech }) => speech.length > 0)
  return [
    ...(hasSpeech ? [] : ['No speech was found in it: the transcript is empty.']),
    ...(hasSpeech && segments.length === 0 && dropped === 0
      ? ['Somebody may speak in it, but no words were recognised: the transcript is empty.']
      : []),
    ...(marked > 0 ? [`${marked} segment(s) are marked as doubtful (${listed}).`] : []),
    ...(dropped > 0 ? [`${dropped} segment(s) were left out: text outside speech.`] : []),
  ]
}
