import { rm } from 'node:fs/promises'
import path from 'node:path'
import { clip, totalLength } from '../../../shared/span.ts'
import { cutWav } from '../../audio/wav-cut.ts'
import { joinWindows, WHISPER_WINDOWS, windowsOf, type Window } from '../../audio/windows.ts'
import type { RecognisedSegment } from '../../transcription/recognised-segment.ts'
import type { Recognised, TranscribeRequest } from '../engine.ts'
import { mainLanguage } from '../main-language.ts'
import type { Profile } from './profile.ts'

/** 19 MB as WAV; OpenAI's own server takes 25. */
export const PART_SECONDS = 600

/**
 * Asks for one window.
 * @param oneOfMany whether others are asked for at once.
 * @returns null where the server's times turn out to be wrong, and the window is too long for ours.
 */
export type AskWindow = (piece: TranscribeRequest, oneOfMany: boolean) => Promise<Recognised | null>

/**
 * Recognises a piece in requests as long as the server's times allow: parts of ten minutes, or windows of at most 28 s,
 * several at once, at times of ours. A server that is not known gets one window first.
 * @throws as `ask`, once no request is left; the signal's reason when aborted.
 */
export async function inWindows(
  request: TranscribeRequest,
  profile: Profile,
  concurrency: number,
  ask: AskWindow,
): Promise<Recognised> {
  const windows = await windowsOf(request.wavPath, request.speech, WHISPER_WINDOWS)
  // Without speech, as found, the piece is asked for whole.
  if (windows.length === 0) windows.push(wholeOf(request))
  const done: Done[] = []
  const one = async (
    window: Window,
    signal: AbortSignal,
    isOneOfMany: boolean,
  ): Promise<Recognised | null> => {
    const isWhole = covers(window, windows) && (profile.isProven || isShort(request))
    const recognised = isWhole
      ? await ask({ ...request, signal }, isOneOfMany)
      : await askCut({ ...request, signal }, window, isOneOfMany, ask)
    if (recognised === null) return null
    done.push({ window, recognised })
    request.onProgress(progress(request, done))
    return recognised
  }
  let rest: readonly Window[] = windows
  let unrecognised: readonly Window[] = []
  while (rest.length > 0 && profile.form !== 'text') {
    const [next] = profile.isProven ? joinWindows(rest, PART_SECONDS) : rest
    const recognised = await one(next!, request.signal, false)
    if (recognised === null) break
    const inside = rest.filter(({ audio }) => audio.start < next!.audio.end)
    rest = rest.slice(inside.length)
    if (inside.length > 1) unrecognised = [...unrecognised, ...unrecognisedIn(inside, recognised)]
  }
  const open = [...unrecognised, ...rest]
  await atOnce(open, concurrency, request.signal, (window, signal) => one(window, signal, true))
  return merged(done.toSorted((a, b) => a.window.audio.start - b.window.audio.start))
}

interface Done {
  window: Window
  recognised: Recognised
}

/** Less speech than this without text at the end of an answer, in seconds, may be noise. */
const LEAST_UNHEARD = 30

/** What follows the last segment, where a server stops early. */
function unrecognisedIn(windows: readonly Window[], { segments }: Recognised): Window[] {
  const reached = segments.reduce((most, { end }) => Math.max(most, end), 0)
  const after = windows
    .map(({ audio: { start, end }, speech }) => ({
      audio: { start: Math.max(start, reached), end },
      speech: clip(speech, reached, end),
    }))
    .filter(({ speech }) => speech.length > 0)
  const seconds = after.reduce((sum, { speech }) => sum + totalLength(speech), 0)
  return seconds > LEAST_UNHEARD ? after : []
}

function isShort({ durationSeconds }: TranscribeRequest): boolean {
  return durationSeconds <= WHISPER_WINDOWS.maxSeconds
}

function wholeOf({ durationSeconds }: TranscribeRequest): Window {
  const audio = { start: 0, end: durationSeconds }
  return { audio, speech: [audio] }
}

function covers({ audio }: Window, windows: readonly Window[]): boolean {
  return audio.start <= windows[0]!.audio.start && audio.end >= windows.at(-1)!.audio.end
}

async function askCut(
  request: TranscribeRequest,
  { audio, speech }: Window,
  isOneOfMany: boolean,
  ask: AskWindow,
): Promise<Recognised | null> {
  const { start } = audio
  const wavPath = path.join(request.workDir, `window-${Math.round(start * 1000)}.wav`)
  try {
    const durationSeconds = await cutWav(request.wavPath, [audio], wavPath, request.signal)
    const within = speech.map((span) => ({ start: span.start - start, end: span.end - start }))
    // What is done is reported by windows.
    const onProgress = (): void => undefined
    const piece = { ...request, wavPath, durationSeconds, speech: within, onProgress }
    const recognised = await ask(piece, isOneOfMany)
    if (recognised === null) return null
    return { ...recognised, segments: recognised.segments.map((one) => later(one, start)) }
  } finally {
    await rm(wavPath, { force: true })
  }
}

function later(segment: RecognisedSegment, by: number): RecognisedSegment {
  const { start, end, words } = segment
  return {
    ...segment,
    start: start + by,
    end: end + by,
    ...(words === undefined
      ? {}
      : { words: words.map((word) => ({ ...word, start: word.start + by, end: word.end + by })) }),
  }
}

/** The first failure ends all, and is thrown when all have ended. */
async function atOnce(
  windows: readonly Window[],
  concurrency: number,
  signal: AbortSignal,
  one: (window: Window, signal: AbortSignal) => Promise<unknown>,
): Promise<void> {
  const failed = new AbortController()
  const until = AbortSignal.any([signal, failed.signal])
  const queue = windows.values()
  const work = async (): Promise<void> => {
    // Shared: each takes the next that none has taken.
    for (const window of queue) {
      until.throwIfAborted()
      await one(window, until)
    }
  }
  const workers = Array.from({ length: Math.min(concurrency, windows.length) }, async () => {
    try {
      await work()
    } catch (error) {
      failed.abort(error)
    }
  })
  await Promise.all(workers)
  signal.throwIfAborted()
  failed.signal.throwIfAborted()
}

/** In seconds of the piece, by the speech that is done: silence takes no time. */
function progress(
  { speech, durationSeconds }: TranscribeRequest,
  done: readonly { window: Window }[],
): number {
  const all = totalLength(speech)
  const reached = done.reduce((sum, { window }) => sum + totalLength(window.speech), 0)
  return all === 0 ? durationSeconds : durationSeconds * Math.min(1, reached / all)
}

/** @param done in order of time. */
function merged(done: readonly Done[]): Recognised {
  const said = done.filter(({ recognised }) => recognised.segments.length > 0)
  return {
    language: mainLanguage(
      said.map(({ window, recognised: { language } }) => ({
        language,
        seconds: totalLength(window.speech),
      })),
    ),
    segments: done.flatMap(({ recognised }) => recognised.segments),
    warnings: [...new Set(done.flatMap(({ recognised }) => recognised.warnings))],
  }
}
