import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { AppError, type ErrorCode } from '../../shared/errors.ts'
import { planParts } from '../audio/parts.ts'
import { clip, totalLength, type Span } from '../../shared/span.ts'
import { cutWav } from '../audio/wav-cut.ts'
import type { AudioPiece, Engine } from '../engines/engine.ts'
import type { Slot } from '../gpu/slots.ts'
import {
  changeAt,
  replaced,
  runsOf,
  smoothed,
  speechBetweenChanges,
  windowOf,
  type LanguageRun,
  type LanguageWindow,
} from './language-runs.ts'
import { weightOf, windowsForVote } from './language-vote.ts'

/** Up to this much speech the engine recognises at once, and detects the language as well by itself. */
const ENOUGH_SECONDS = 30
/** One sample is taken of so much speech. */
const SAMPLE_EVERY_SECONDS = { quick: 30, slow: 60 }
const LEAST_SAMPLES = 3
const SAMPLE_SECONDS = 10
/** The longest window where samples differ; in less than half of it a language is not certain. */
const WINDOW_SECONDS = 10
/** Pieces in one request to an engine: their files are on the disk at once. */
const PIECES = 32

/** Errors that end the detection and not the job: the engine may do better with the recording itself, or fails again there. */
const TOLERATED: readonly ErrorCode[] = [
  'engine_failed',
  'gpu_out_of_memory',
  'unsupported_language',
]

interface Recording {
  wavPath: string
  /** In seconds of `wavPath`. */
  speech: readonly Span[]
  /** To choose from; null: any. */
  languages: readonly string[] | null
  workDir: string
  slot: Slot
  signal: AbortSignal
  model: string | null
}

/** Audio that is joined to one piece, and the speech in it. */
interface Window {
  audio: readonly Span[]
  speech: readonly Span[]
}

/**
 * The languages of a recording in the order of time: by samples of its speech, and if two differ by more of it.
 * Empty when the engine cannot detect languages, need not, or is not certain.
 * @returns `warning` when the engine failed at it.
 * @throws {AppError} as the engine, when it would fail on the recording too; the signal's reason when aborted.
 */
export async function detectLanguages(
  engine: Engine,
  recording: Recording,
): Promise<{ runs: LanguageRun[]; warning: string | null }> {
  const { speech, languages, signal } = recording
  const seconds = totalLength(speech)
  if (engine.detect === undefined || (seconds <= ENOUGH_SECONDS && languages === null)) {
    return { runs: [], warning: null }
  }
  try {
    const samples = await detectIn(engine, samplesOf(engine, speech), recording)
    const runs =
      new Set(smoothed(samples)).size > 1
        ? await runsIn(engine, recording, samples)
        : runsOf(samples)
    return runs.length > 0 || languages === null
      ? { runs, warning: null }
      : firstOf(languages, samples)
  } catch (error) {
    signal.throwIfAborted()
    if (!(error instanceof AppError) || !TOLERATED.includes(error.code)) throw error
    const warning = `Language detection on samples of the recording failed: ${error.message}`
    return { runs: [], warning }
  }
}

function samplesOf({ abilities }: Engine, speech: readonly Span[]): Window[] {
  const every = SAMPLE_EVERY_SECONDS[abilities.quickDetection === true ? 'quick' : 'slow']
  const count = Math.max(LEAST_SAMPLES, Math.ceil(totalLength(speech) / every))
  return windowsForVote(speech, count, SAMPLE_SECONDS).map((place) => ({
    audio: [place],
    speech: clip(speech, place.start, place.end),
  }))
}

/**
 * By windows of the speech, cut in pauses, each in one of the languages of the samples: of all speech, or of that between
 * two samples that differ. Where two windows differ, the language changes between two spans of theirs.
 */
async function runsIn(
  engine: Engine,
  recording: Recording,
  samples: readonly LanguageWindow[],
): Promise<LanguageRun[]> {
  const { speech } = recording
  const isQuick = engine.abilities.quickDetection === true
  const places = isQuick ? [speech] : speechBetweenChanges(speech, samples)
  const found = new Set(smoothed(samples))
  const known = ({ detected, ...window }: LanguageWindow): LanguageWindow => ({
    ...window,
    detected: detected !== null && found.has(detected.language) ? detected : null,
  })
  const parts = places.flatMap((place) => planParts(place, WINDOW_SECONDS, place.at(-1)!.end))
  const windows = replaced(samples, (await detectIn(engine, parts, recording)).map(known))
  const runs = runsOf(windows)
  for (const [at, run] of runs.entries()) {
    const second = windows.findIndex(({ start }) => start === run.start)
    if (at === 0 || second < 1) continue
    const [from, to] = [windows[second - 1]!.start, windows[second]!.end]
    const spans = speech.filter(({ start, end }) => start >= from && end <= to)
    if (spans.length < 2) continue
    const each = spans.map((span) => ({ audio: [span], speech: [span] }))
    // Among few languages, one of them seems certain even in a word or two.
    const any = { ...recording, languages: null }
    const detected = (await detectIn(engine, each, any)).map(known)
    run.start = spans[changeAt(detected, runs[at - 1]!.language, run.language)]!.start
  }
  return runs
}

/** Where a job gives a choice and nothing is certain, the most probable of it, or its first. */
function firstOf(
  languages: readonly string[],
  samples: readonly LanguageWindow[],
): { runs: LanguageRun[]; warning: string | null } {
  const [best] = samples
    .flatMap(({ detected }) => detected ?? [])
    .toSorted((a, b) => weightOf(b) - weightOf(a))
  const { language, probability } = best ?? { language: languages[0]!, probability: 0 }
  const warning = `None of the languages ${languages.join(', ')} was detected: it was recognised as ${language}.`
  return {
    runs: [{ start: 0, language, probability }],
    warning: best === undefined ? warning : null,
  }
}

async function detectIn(
  engine: Engine,
  windows: readonly Window[],
  { wavPath, languages, workDir, slot, signal, model }: Recording,
): Promise<LanguageWindow[]> {
  const folder = path.join(workDir, 'language')
  const found: LanguageWindow[] = []
  try {
    for (let from = 0; from < windows.length; from += PIECES) {
      const some = windows.slice(from, from + PIECES)
      const pieces: AudioPiece[] = []
      for (const [at, { audio }] of some.entries()) {
        const pieceDir = path.join(folder, String(at))
        await mkdir(pieceDir, { recursive: true })
        const piece = path.join(folder, `${at}.wav`)
        const durationSeconds = await cutWav(wavPath, audio, piece, signal)
        pieces.push({ wavPath: piece, durationSeconds, workDir: pieceDir, slot, signal })
      }
      const detected = (await engine.detect?.(pieces, model, languages)) ?? []
      found.push(
        ...some.map(({ speech }, at) => {
          const one = detected[at] ?? null
          const isChoice = languages === null || languages.includes(one?.language ?? '')
          return windowOf(speech, isChoice ? one : null)
        }),
      )
      await rm(folder, { recursive: true, force: true })
    }
    return found
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
