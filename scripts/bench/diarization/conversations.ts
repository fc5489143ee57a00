import type { Span } from '../../../shared/span.ts'
import type { Turn } from '../../../agent/diarization/turns.ts'
import { pick, seededRandom } from '../../../test/shared/seeded-random.ts'
import type { Voice } from './voices.ts'

const RATE = 16_000

export interface Conversation {
  /** 16 kHz, −1 to 1. */
  samples: Float32Array
  /** Who speaks when, as it was put together. */
  turns: Turn[]
}

export interface ConversationPlan {
  seed: number
  seconds: number
  /** Of turns that begin before the one before has ended. */
  overlapShare: number
  /** Signal to noise, in dB; null: no noise. */
  noise: number | null
}

/**
 * Turns of these voices in random order with pauses and overlaps; the same seed gives the same samples. The reference is
 * when each is loud enough to be speech, by the stretch itself, before it is mixed and spoilt.
 */
export function converse(voices: readonly Voice[], plan: ConversationPlan): Conversation {
  const random = seededRandom(plan.seed)
  const samples = new Float32Array(Math.round(plan.seconds * RATE))
  const turns: Turn[] = []
  const played = new Map(voices.map(({ name }) => [name, Math.floor(random() * 10)]))
  let last: Voice | null = null
  let at = 0.3
  for (;;) {
    // Everybody speaks before anybody speaks twice as often.
    const quiet = voices.filter(({ name }) => !turns.some(({ speaker }) => speaker === name))
    const others = (quiet.length > 0 ? quiet : voices).filter((voice) => voice !== last)
    const voice = pick(random, others)
    const count = played.get(voice.name)!
    played.set(voice.name, count + 1)
    const whole = voice.stretches[count % voice.stretches.length]!
    const stretch = whole.subarray(0, Math.round((1 + random() * 7) * RATE))
    const seconds = stretch.length / RATE
    if (at + seconds > plan.seconds) break
    mix(samples, stretch, Math.round(at * RATE))
    for (const { start, end } of spoken(stretch)) {
      turns.push({ start: at + start, end: at + end, speaker: voice.name })
    }
    const overlaps = random() < plan.overlapShare
    at += overlaps ? seconds - Math.min(1, seconds / 3) * random() : seconds + 0.1 + random() * 0.6
    last = voice
  }
  if (plan.noise !== null) addNoise(samples, plan.noise, random)
  return { samples, turns: turns.toSorted((a, b) => a.start - b.start) }
}

const FRAME = RATE / 50
/** Below the loudest frame by so many dB is a pause, if it lasts. */
const PAUSE_BELOW = 35
const PAUSE_SECONDS = 0.3

/** Where a stretch of one voice is speech, in seconds: its pauses are no part of a turn. */
function spoken(stretch: Float32Array): Span[] {
  const levels = Array.from({ length: Math.floor(stretch.length / FRAME) }, (_, i) =>
    levelOf(stretch.subarray(i * FRAME, (i + 1) * FRAME)),
  )
  const least = Math.max(...levels) / 10 ** (PAUSE_BELOW / 20)
  const spans: Span[] = []
  for (const [i, level] of levels.entries()) {
    const [start, end] = [(i * FRAME) / RATE, ((i + 1) * FRAME) / RATE]
    const last = spans.at(-1)
    if (level < least) continue
    if (last !== undefined && start - last.end < PAUSE_SECONDS) last.end = end
    else spans.push({ start, end })
  }
  return spans
}

/** At one loudness, whoever spoke how near to the microphone. */
function mix(target: Float32Array, stretch: Float32Array, at: number): void {
  const gain = 0.07 / levelOf(stretch)
  for (const [i, sample] of stretch.entries()) target[at + i]! += sample * gain
}

function addNoise(samples: Float32Array, decibels: number, random: () => number): void {
  const level = levelOf(samples) / 10 ** (decibels / 20)
  // Uniform noise of ±1 has a level of 1/√3.
  for (const i of samples.keys()) samples[i]! += (random() * 2 - 1) * level * Math.sqrt(3)
}

function levelOf(samples: Float32Array): number {
  return Math.sqrt(samples.reduce((sum, one) => sum + one * one, 0) / samples.length) || 1
}
