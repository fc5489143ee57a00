import { WavReader } from '../audio/wav.ts'
import { echoDelay, echoFrames } from './echo.ts'
import {
  extremes,
  FRAME_SECONDS,
  frameStart,
  framesIn,
  readLevels,
  SILENT,
} from '../audio/levels.ts'
import { lengthOf, totalLength, type Span } from '../../shared/span.ts'

/** One channel of a recording. */
export interface Channel {
  /** In dB, one for every frame (`readLevels`). */
  levels: Float32Array
  /** Of either party. */
  speech: readonly Span[]
}

/** By how many dB a channel is louder with its own party's speech. */
const LOUDER = 10
/** Frames this many dB below the channel's loudest speech are pauses, or crosstalk. */
const LOUD_RANGE = 25
/** The level of the loudest speech is the one that this share of the frames exceeds. */
const LOUDEST_SHARE = 0.05
/** In a call at least this share of the speech is clearly in one channel … */
const CLEAR_SHARE = 0.6
/** … and each side has at least this share, and this time, of it. */
const LEAST_SHARE = 0.02
const LEAST_FRAMES = framesIn(0.5)
/** The levels of two rooms correlate less than this; those of two microphones in one room correlate more. */
const ALIKE = 0.5
/** Levels below this, in dB, count as silence. */
const FAINTEST = -70
const HOLD = framesIn(0.15)
/** Pieces shorter than this, in seconds, are neither kept nor cut out. */
const LEAST_SECONDS = 0.25

/**
 * When each of the two parties of a call speaks; null when the two channels are no call. Takes 5 MB for each channel of
 * ten hours.
 * @param wavs a 16 kHz mono WAV file for each channel; @param speech of each (`findSpeech`).
 * @param options `gains`: by how many dB each was amplified.
 * @throws {AppError} `invalid_media`; the signal's reason when aborted.
 */
export async function separateCall(
  wavs: readonly [string, string],
  speech: readonly [readonly Span[], readonly Span[]],
  options: { signal: AbortSignal; gains?: readonly [number, number] },
): Promise<[Span[], Span[]] | null> {
  const [leftGain, rightGain] = options.gains ?? [0, 0]
  const left = { levels: lowered(await readLevels(wavs[0], options), leftGain), speech: speech[0] }
  const right = {
    levels: lowered(await readLevels(wavs[1], options), rightGain),
    speech: speech[1],
  }
  const [leftWav, rightWav] = [await WavReader.open(wavs[0]), await WavReader.open(wavs[1])]
  try {
    const inRight = await echoDelay(leftWav, rightWav, loudFrames(left))
    const inLeft = await echoDelay(rightWav, leftWav, loudFrames(right))
    options.signal.throwIfAborted()
    // Two channels without anything in common are two parties, also where they speak at once.
    const areStrangers = inRight === null && inLeft === null && correlation(left, right) < ALIKE
    if (areStrangers ? !bothSpeak(left, right) : !areSeparate(left, right)) return null
    const ofRight = foreignFrames(left, right)
    const ofLeft = foreignFrames(right, left)
    return [
      ownSpeech(left, await echoFrames(rightWav, leftWav, inLeft, ofRight)),
      ownSpeech(right, await echoFrames(leftWav, rightWav, inRight, ofLeft)),
    ]
  } finally {
    await leftWav.close()
    await rightWav.close()
  }
}

function bothSpeak(left: Channel, right: Channel): boolean {
  const [some, more] = [totalLength(left.speech), totalLength(right.speech)]
  const least = Math.max(LEAST_FRAMES * FRAME_SECONDS, (some + more) * LEAST_SHARE)
  return Math.min(some, more) >= least
}

/** The correlation of the levels of two channels during speech, from -1 to 1. */
function correlation(left: Channel, right: Channel): number {
  const [one, other] = [spokenFrames(left), spokenFrames(right)]
  const pairs: [number, number][] = []
  for (const [at, isSpoken] of one.entries()) {
    if ((isSpoken | (other[at] ?? 0)) === 0) continue
    pairs.push([
      Math.max(FAINTEST, left.levels[at]!),
      Math.max(FAINTEST, right.levels[at] ?? SILENT),
    ])
  }
  const mean = (side: 0 | 1): number =>
    pairs.reduce((sum, pair) => sum + pair[side], 0) / pairs.length
  const [a, b] = [mean(0), mean(1)]
  let [ab, aa, bb] = [0, 0, 0]
  for (const [x, y] of pairs) {
    ab += (x - a) * (y - b)
    aa += (x - a) ** 2
    bb += (y - b) ** 2
  }
  return aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : 0
}

/**
 * Whether two channels are the two sides of a call: most of the speech is at least 10 dB louder in one of them, and not
 * always in the same. This excludes the same sound in both, an empty channel, a room with two microphones, and music.
 */
export function areSeparate(left: Channel, right: Channel): boolean {
  const loud = loudFrames(left)
  for (const [at, one] of loudFrames(right).entries()) loud[at]! |= one
  const counts = { all: 0, left: 0, right: 0 }
  for (const [at, isLoud] of loud.entries()) {
    if (isLoud === 0) continue
    counts.all++
    const difference = (left.levels[at] ?? -Infinity) - (right.levels[at] ?? -Infinity)
    if (difference >= LOUDER) counts.left++
    else if (difference <= -LOUDER) counts.right++
  }
  const least = Math.max(LEAST_FRAMES, counts.all * LEAST_SHARE)
  const isClear = counts.left + counts.right >= counts.all * CLEAR_SHARE
  return isClear && counts.left >= least && counts.right >= least
}

export function ownSpeech({ speech }: Channel, foreign: Uint8Array): Span[] {
  return speech.flatMap((span) => {
    const pieces = piecesWithout(span, foreign)
    // What is left of a short span may be short itself.
    return pieces.filter((piece) => lengthOf(piece) >= Math.min(LEAST_SECONDS, lengthOf(span)))
  })
}

/** Frames in which the other channel speaks and this one is so much quieter that it can only be crosstalk. */
export function foreignFrames(own: Channel, other: Channel): Uint8Array {
  const ours = extremes(own.levels, HOLD, HOLD, true)
  const theirs = extremes(other.levels, HOLD, HOLD, true)
  const loud = loudFrames({ levels: theirs, speech: other.speech })
  return loud.map((isLoud, at) =>
    isLoud === 1 && theirs[at]! - (ours[at] ?? -Infinity) >= LOUDER ? 1 : 0,
  )
}

/** The frames of speech that are not much quieter than the loudest of it: 1, all others 0. */
function loudFrames(channel: Channel): Uint8Array {
  const { levels } = channel
  const spoken = spokenFrames(channel)
  const sorted = levels.filter((_, at) => spoken[at] === 1).sort()
  const loudest = sorted[Math.floor((sorted.length - 1) * (1 - LOUDEST_SHARE))] ?? 0
  return spoken.map((isSpoken, at) =>
    isSpoken === 1 && levels[at]! >= loudest - LOUD_RANGE ? 1 : 0,
  )
}

function spokenFrames({ levels, speech }: Channel): Uint8Array {
  const spoken = new Uint8Array(levels.length)
  for (const { start, end } of speech) spoken.fill(1, ...frameRange({ start, end }))
  return spoken
}

/** The unmarked parts of a span. A mark shorter than a word does not cut it. */
function piecesWithout(span: Span, marked: Uint8Array): Span[] {
  const pieces: Span[] = []
  const [first, last] = frameRange(span)
  let start = span.start
  for (let at = first; at < last;) {
    let to = at
    while (to < last && marked[to] === 1) to++
    if (to === at) {
      at++
      continue
    }
    const cut = {
      start: Math.max(span.start, frameStart(at)),
      end: Math.min(span.end, frameStart(to)),
    }
    if (lengthOf(cut) >= LEAST_SECONDS || (at === first && to === last)) {
      if (cut.start > start) pieces.push({ start, end: cut.start })
      start = cut.end
    }
    at = to
  }
  if (span.end > start) pieces.push({ start, end: span.end })
  return pieces
}

function lowered(levels: Float32Array, gain: number): Float32Array {
  return gain === 0 ? levels : levels.map((level) => level - gain)
}

function frameRange({ start, end }: Span): [number, number] {
  return [Math.floor(start / FRAME_SECONDS), Math.ceil(end / FRAME_SECONDS)]
}
