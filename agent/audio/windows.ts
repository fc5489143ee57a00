import { endOfPart, padded } from './parts.ts'
import { clip, type Span } from '../../shared/span.ts'
import { WavReader } from './wav.ts'

/** A stretch of audio that a recogniser takes whole, and the speech in it, in seconds. */
export interface Window {
  audio: Span
  speech: readonly Span[]
}

/** In seconds. */
export interface WindowLimits {
  /** The most audio of a window. */
  maxSeconds: number
  /** A longer pause ends a window. */
  maxGap: number
  /** Silence around the speech, where there is some. */
  pad: number
}

/** Whisper takes 30 s at once. */
export const WHISPER_WINDOWS: WindowLimits = { maxSeconds: 28, maxGap: 4, pad: 0.5 }

/**
 * Divides speech into windows, cut at the longest pauses. Speech without a pause is cut where it is quietest.
 * @param wavPath mono; @param speech ascending, apart or touching.
 * @throws {AppError} `invalid_media`.
 */
export async function windowsOf(
  wavPath: string,
  speech: readonly Span[],
  limits: WindowLimits,
): Promise<Window[]> {
  const reader = await WavReader.open(wavPath)
  try {
    const windows: Window[] = []
    for (const window of planWindows(speech, limits, reader.header.durationSeconds)) {
      windows.push(...(await shortened(reader, window, limits.maxSeconds)))
    }
    return windows
  } finally {
    await reader.close()
  }
}

/** Spans that touch were cut for want of a pause: a window of them alone may be too long. */
export function planWindows(
  speech: readonly Span[],
  { maxSeconds, maxGap, pad }: WindowLimits,
  totalSeconds: number,
): Window[] {
  const stretches = joined(speech)
  const windows: Window[] = []
  let runEnd = 0
  for (let from = 0; from < stretches.length;) {
    if (from === runEnd) runEnd = endOfRun(stretches, from, maxGap)
    const run = stretches.slice(from, runEnd)
    const to = from + endOfPart(run, 0, maxSeconds - 2 * pad)
    const audio = padded(stretches, from, to, pad, totalSeconds)
    windows.push({ audio, speech: stretches.slice(from, to) })
    from = to
  }
  return windows
}

/** Neighbours joined again, up to that length. */
export function joinWindows(windows: readonly Window[], maxSeconds: number): Window[] {
  const longer: Window[] = []
  for (const { audio, speech } of windows) {
    const last = longer.at(-1)
    if (last === undefined || audio.end - last.audio.start > maxSeconds) {
      longer.push({ audio, speech })
      continue
    }
    last.audio = { start: last.audio.start, end: audio.end }
    last.speech = [...last.speech, ...speech]
  }
  return longer
}

function joined(speech: readonly Span[]): Span[] {
  const stretches: Span[] = []
  for (const { start, end } of speech) {
    const last = stretches.at(-1)
    if (last !== undefined && start <= last.end) last.end = Math.max(last.end, end)
    else stretches.push({ start, end })
  }
  return stretches
}

function endOfRun(stretches: readonly Span[], from: number, maxGap: number): number {
  let to = from + 1
  while (to < stretches.length && stretches[to]!.start - stretches[to - 1]!.end <= maxGap) to++
  return to
}

/** Not less than this share of the longest window is cut off. */
const LEAST_SHARE = 2 / 3

async function shortened(
  reader: WavReader,
  { audio, speech }: Window,
  maxSeconds: number,
): Promise<Window[]> {
  const { sampleRate } = reader.header
  const most = Math.floor(maxSeconds * sampleRate)
  const windows: Window[] = []
  let { start } = audio
  while (audio.end - start > maxSeconds) {
    const from = Math.round(start * sampleRate)
    const samples = await reader.read(from, from + most)
    if (samples.length < most) break
    const cut =
      (from + quietest(samples, Math.floor(most * LEAST_SHARE), most, sampleRate)) / sampleRate
    windows.push({ audio: { start, end: cut }, speech: clip(speech, start, cut) })
    start = cut
  }
  windows.push({ audio: { start, end: audio.end }, speech: clip(speech, start, audio.end) })
  // The end of a window may be silence alone.
  return windows.filter((window) => window.speech.length > 0)
}

/**
 * Where to cut speech without a pause: the middle of its quietest tenth of a second between `from` and `to`, as an
 * index into `samples`.
 */
export function quietest(
  samples: Float32Array,
  from: number,
  to: number,
  sampleRate: number,
): number {
  const window = Math.round(sampleRate / 10)
  const step = Math.max(1, Math.floor(window / 4))
  let best = Math.floor((from + to) / 2)
  let least = Infinity
  for (let at = from; at + window <= to; at += step) {
    let energy = 0
    for (let i = at; i < at + window; i++) energy += (samples[i] ?? 0) ** 2
    if (energy < least) {
      least = energy
      best = at + Math.floor(window / 2)
    }
  }
  return best
}
