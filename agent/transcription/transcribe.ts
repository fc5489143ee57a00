import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { spoken } from '../../shared/render.ts'
import { sentenceSegments } from '../../shared/sentence-segments.ts'
import { asksForTerms, spell } from './heard-terms.ts'
import {
  checkpointOf,
  languagesOf,
  readCheckpoint,
  resumeDraft,
  usableAhead,
  voicesIn,
} from './checkpoint.ts'
import type { ConvertInput, TranscribedMedia, PipelineParts } from './conversion.ts'
import type { SpeechOptions } from '../engines/engine.ts'
import { modelLabel } from '../engines/model-name.ts'
import { channelSpeaker, type PreparedAudio } from './prepared-audio.ts'
import type { PrepareAudioRequest } from './prepare-audio.ts'
import { prepareTracks, MIX } from './prepare-tracks.ts'
import type { JobOptions } from '../job-options.ts'
import type { AudioTrack, MediaInfo } from '../media/media-info.ts'
import { overall, type Progress, type Stage } from '../progress/progress.ts'
import { recognise } from './recognise.ts'
import type { KeptVoices } from '../diarization/kept-voices.ts'
import { hasDiarizer, labelSpeakers } from '../diarization/label-speakers.ts'
import type { FinishedPart } from './pieces.ts'
import { refuseUnknown, engineOptions } from './engine-options.ts'
import { TranscriptDraft } from './transcript-draft.ts'
import { splitUntimed } from './untimed-sentences.ts'

const BY_LOUDNESS =
  'Speech was detected by loudness alone (no VAD): install sherpa-onnx-node to distinguish it from noise.'

const NO_CALL =
  "The option 'speaker_names' was ignored: it names the channels of a call, one speaker on each."

/** Transcribes a file's audio; null when it has none. Waits for a slot once the audio is prepared. */
export async function transcribe(
  parts: PipelineParts,
  input: ConvertInput,
  media: MediaInfo,
  options: JobOptions,
): Promise<TranscribedMedia | null> {
  // Decoded audio is many times as large as its file: it is removed before the result is written.
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
  const { sourcePath, workDir, signal, sha256 } = input
  const asked = engineOptions(options, engine, parts)
  const wantsSpeakers = isDiarized(options, parts)
  const optionsKey = (track: AudioTrack | null): string =>
    JSON.stringify([
      asked.options,
      wantsSpeakers,
      track?.index ?? MIX,
      // Checkpoints of older agents have no more than these.
      ...(asked.languages === null ? [] : [asked.languages]),
      ...(options.limitSeconds === null ? [] : [`${options.limitSeconds} s`]),
    ])
  let mediaSeconds = media.durationSeconds
  let clockJumps = false
  const report = (stage: Stage, processedSeconds: number): void =>
    input.report(progressAt(stage, processedSeconds, mediaSeconds))
  const info = { ...engine.info, model: modelLabel(engine.info.model) }
  const prepared = await prepareTracks(parts, {
    sourcePath,
    media,
    wish: { language: options.language, wanted: options.audioTrack ?? parts.audioTrack ?? null },
    byChannel: wantsSpeakers,
    whole: wholeFor(parts, asked.options, options, wantsSpeakers),
    limitSeconds: options.limitSeconds,
    workDir,
    signal,
    checkpointOf(track) {
      if (sha256 === undefined) return null
      const checkpoint = readCheckpoint(input.checkpoint, sha256, optionsKey(track))
      // Another engine may have detected a language that this one does not know.
      if (asked.options.model === null) {
        for (const one of languagesOf(checkpoint)) refuseUnknown(one, engine)
      }
      return checkpoint
    },
    report,
    onClockJump() {
      clockJumps = true
    },
  })
  if (prepared === null) return null
  const { audio, track } = prepared
  mediaSeconds = audio.seconds
  const begun = audio.resumed ? prepared.checkpoint : null
  const draft =
    begun === null
      ? new TranscriptDraft({ decided: decidedBy(asked.options.language) })
      : resumeDraft(begun, info)
  for (const text of prepared.warnings) draft.warn(text)
  const isCall = audio.voices.length > 1
  const save = (ahead: readonly FinishedPart[], voices: KeptVoices | null): void => {
    if (sha256 === undefined || input.onCheckpoint === undefined) return
    const key = optionsKey(prepared.isMix ? null : track)
    const made = { source: sha256, options: key, engine: info, track: track.index }
    input.onCheckpoint(checkpointOf(made, audio, draft, ahead, voices))
  }
  if (!isRecognised(audio)) {
    report('waiting', 0)
    await recognise(engine, slots, {
      jobId: input.jobId,
      audio,
      isNew: begun === null,
      ahead: usableAhead(begun, info),
      asked: asked.options.language,
      languages: asked.languages,
      tag: track.language,
      // Where the channels are the speakers, the engine need not tell them apart.
      options: wantsSpeakers && !isCall ? asked.options : { ...asked.options, speakers: null },
      workDir,
      signal,
      draft,
      report,
      onPart: (ahead) => save(ahead, null),
    })
  }
  const unnamed = splitUntimed(draft, audio.voices)
  const named = wantsSpeakers
    ? await labelSpeakers(unnamed, {
        settings: parts.speakers,
        wavPath: audio.wavPath,
        count: { min: options.minSpeakers, max: options.maxSpeakers },
        names: channelNames(options),
        workDir,
        slots,
        signal,
        voices: {
          begun: voicesIn(begun),
          keep: (voices) => save([], voices),
        },
        report: (stage, ratio) => input.report({ stage, ratio: overall('diarizing', ratio) }),
      })
    : { segments: unnamed, warnings: [] }
  const hasSpeech = audio.voices.some(({ speech }) => speech.length > 0)
  const transcript = draft.toTranscript(named.segments, audio.seconds, {
    withSpeakers: wantsSpeakers,
  })
  const spelt = await spell(parts, {
    ...input,
    ...audio,
    segments: spoken(sentenceSegments(transcript.segments, transcript)),
    options: { ...asked.options, language: transcript.language },
    vocabulary: options.vocabulary,
  })
  const { segments, replacements } = spelt
  const warnings = [
    ...asked.warnings,
    ...unusedNames(options, wantsSpeakers && isCall),
    ...named.warnings,
    ...(audio.vadMethod === 'loudness' ? [BY_LOUDNESS] : []),
    ...draft.warnings,
    ...draft.doubts(segments, { hasSpeech }),
  ]
  return {
    transcript: { ...transcript, segments },
    replacements,
    engine: { ...info, model: modelLabel(asked.options.model ?? info.model) },
    track,
    decodedSeconds: audio.seconds,
    clockJumps,
    subtitles: null,
    warnings,
  }
}

function isDiarized({ diarize, speakerNames }: JobOptions, { speakers }: PipelineParts): boolean {
  return diarize ?? (speakerNames !== null || speakers.always)
}

function wholeFor(
  { engine, vocabulary, speakers }: PipelineParts,
  asked: SpeechOptions,
  options: JobOptions,
  wantsSpeakers: boolean,
): PrepareAudioRequest['whole'] {
  if (asksForTerms(engine, asked, options.vocabulary, vocabulary)) return 'always'
  return wantsSpeakers && hasDiarizer(speakers) ? 'one voice' : 'never'
}

function channelNames({ speakerNames }: JobOptions): Map<string, string> {
  return new Map(speakerNames?.map((name, channel) => [channelSpeaker(channel), name]))
}

/** A warning, where channels have names and are no speakers. */
function unusedNames({ speakerNames }: JobOptions, areChannels: boolean): string[] {
  return speakerNames === null || areChannels ? [] : [NO_CALL]
}

function isRecognised({ voices }: PreparedAudio): boolean {
  return voices.every(({ speech, doneUntil }) => speech.every((one) => one.start < doneUntil))
}

function progressAt(stage: Stage, processedSeconds: number, mediaSeconds: number): Progress {
  const within = mediaSeconds > 0 ? processedSeconds / mediaSeconds : 0
  return {
    stage,
    ratio: overall(stage, within),
    ...(mediaSeconds > 0 ? { mediaSeconds } : {}),
    ...(stage === 'transcribing' ? { processedSeconds } : {}),
  }
}

function decidedBy(language: string | null): TranscriptDraft['decided'] {
  return language === null ? null : { language, probability: null }
}
