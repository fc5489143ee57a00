import { channelAt, commonLayout, isBass } from './channel-layout.ts'
import type { SoundStats } from './sound-stats.ts'

export interface Mix {
  weights: readonly number[] | null
  /** The layout that `weights` are for, by ffmpeg's name; null: the track's. */
  layout: string | null
  gain: number
}

/** ffmpeg's own mix, at its own level. */
export const PLAIN_MIX: Mix = { weights: null, layout: null, gain: 0 }

/** In dB below the loudest: such a channel counts as silent. */
const SILENT_BELOW = 30
/** How much quieter, in dB, one party of a call may be. */
const FAINT = 50
/** From this correlation on, two channels are the same sound. */
const SAME = 0.7
/** A bass channel this close to the loudest, in dB and in the range of speech, holds more than bass. */
const BASS_BELOW = 12
/** Channels cancel each other out when less than this share of them is left. */
const CANCELLED = 0.4
/** Below this correlation one channel is the other inverted. */
const INVERTED = -0.4
/** Speech whose loud moments are below this, in dB, is missed by VADs. */
const QUIET = -28
const TARGET = -14
/** Below this the file has hardly any bits left for its sound. */
const LOST = -75
/** Loud moments of speech reach this level only when clipped, whatever limited them. */
const CUT_OFF = -5
/** Codecs and filters make peaks of clipped sound; higher peaks were never clipped. */
const MOST_CUT_OFF_PEAK = 8
/** Samples this far beyond full scale, in dB, are meant to be attenuated; less is an artefact of codecs. */
const OVER = 1

export function chooseMix(
  stats: SoundStats,
  layout: string | null,
): { mix: Mix; warnings: string[] } {
  const { channels } = stats
  const levels = channels.map(({ level }) => level)
  const loudest = levels.indexOf(Math.max(...levels))
  if (channels.length === 0 || levels[loudest] === -Infinity)
    return { mix: PLAIN_MIX, warnings: [] }
  const { weights, warnings } = weightsOf(stats, layout, loudest)
  const peak = 20 * Math.log10(Math.max(...channels.map((channel) => channel.peak)))
  const level = mixedLevel(stats, weights ?? evenly(channels.length), loudest)
  const gain = gainFor(level, peak)
  const mix = { weights, layout: commonLayout(layout, channels.length), gain }
  const isCutOff = levels[loudest]! >= CUT_OFF && peak <= MOST_CUT_OFF_PEAK
  const notes = isCutOff ? [OVERDRIVEN] : quietness(levels[loudest]!, gain)
  return { mix, warnings: [...warnings, ...notes] }
}

const OVERDRIVEN =
  'Its sound is overdriven, clipped at full scale: words may be wrong. Record with less gain.'

export function sideMix({ channels }: SoundStats, channel: number): Mix {
  const { level, peak } = channels[channel]!
  const weights = channels.map((_, i) => (i === channel ? 1 : 0))
  const layout = commonLayout(null, channels.length)
  return { weights, layout, gain: gainFor(level, 20 * Math.log10(peak)) }
}

/** Whether two channels may be the parties of a call: both audible, with different sound. */
export function mayBeCall(stats: SoundStats): boolean {
  const [left, right, ...more] = stats.channels
  if (left === undefined || right === undefined || more.length > 0) return false
  const isAudible = Math.min(left.level, right.level) >= Math.max(left.level, right.level) - FAINT
  return isAudible && left.level > -Infinity && Math.abs(correlation(stats, 0, 1)) < SAME
}

/** The filters of a mix, in floating point; none where ffmpeg's own mix does. */
export function mixFilters({ weights, layout, gain }: Mix): string[] {
  if (weights === null && gain === 0) return []
  const form = weights === null ? 'mono' : layout
  const terms = (weights ?? []).flatMap((weight, i) => (weight === 0 ? [] : [term(weight, i)]))
  return [
    `aformat=sample_fmts=fltp${form === null ? '' : `:channel_layouts=${form}`}`,
    ...(terms.length === 0 ? [] : [`pan=mono|c0=${terms.join('').replace(/^\+/, '')}`]),
    ...(gain === 0 ? [] : [`volume=${gain}dB`]),
  ]
}

function term(weight: number, channel: number): string {
  return `${weight < 0 ? '-' : '+'}${Number(Math.abs(weight).toFixed(4))}*c${channel}`
}

function weightsOf(
  stats: SoundStats,
  layout: string | null,
  loudest: number,
): { weights: number[] | null; warnings: string[] } {
  const { channels } = stats
  const count = channels.length
  if (count === 1) return { weights: null, warnings: [] }
  const best = channels[loudest]!.level
  const audible = channels.map(({ level }) => level >= best - SILENT_BELOW)
  const bass = channels.findIndex((_, i) => isBass(layout, count, i))
  const speaksBass = bass >= 0 && channels[bass]!.level >= best - BASS_BELOW
  const usual = channels.map((_, i) => (i === bass ? 0 : 1))
  const isKnown = count === 2 || layout !== null
  const alone = audible.filter(Boolean).length === 1
  if (isKnown && !speaksBass && !alone && keeps(stats, usual) >= CANCELLED) {
    return { weights: null, warnings: [] }
  }
  const inverted = channels.map(
    (_, i) => i !== loudest && correlation(stats, i, loudest) < INVERTED,
  )
  const signed = channels.map((_, i) => (!audible[i] ? 0 : inverted[i] ? -1 : 1))
  const mixed = keeps(stats, signed) >= CANCELLED
  const chosen = mixed ? signed : channels.map((_, i) => (i === loudest ? 1 : 0))
  const total = chosen.reduce<number>((sum, one) => sum + Math.abs(one), 0)
  const warnings: string[] = []
  const names = (wanted: (i: number) => boolean): string =>
    channels.flatMap((_, i) => (wanted(i) ? [channelAt(i)] : [])).join(', ')
  if (!mixed) {
    warnings.push(
      `Its channels cancel each other out when they are mixed: only ${channelAt(loudest)}, the loudest, was used.`,
    )
  } else if (inverted.some((one, i) => one && audible[i])) {
    const over = names((i) => audible[i]! && inverted[i]!)
    warnings.push(`Its channels cancel each other out when they are mixed: ${over} was inverted.`)
  }
  if (speaksBass && count > 2) {
    warnings.push(
      `There is more than bass on ${channelAt(bass)}, which its layout has for bass alone: it was used too.`,
    )
  } else if (!isKnown) {
    const used = names((i) => chosen[i] !== 0)
    warnings.push(
      `The file does not say what its ${count} channels are: ${alone ? `only ${used} has sound, and was used` : `${used} were mixed`}.`,
    )
  }
  return { weights: chosen.map((one) => one / total), warnings }
}

/** The share of the channels that is left when they are mixed: 1 for independent ones, less where they cancel. */
function keeps({ covariance }: SoundStats, weights: readonly number[]): number {
  let mixed = 0
  let apart = 0
  for (const [a, row] of covariance.entries()) {
    apart += weights[a]! ** 2 * row[a]!
    for (const [b, product] of row.entries()) mixed += weights[a]! * weights[b]! * product
  }
  return apart === 0 ? 1 : mixed / apart
}

function correlation({ covariance }: SoundStats, a: number, b: number): number {
  const size = Math.sqrt(covariance[a]![a]! * covariance[b]![b]!)
  return size === 0 ? 0 : covariance[a]![b]! / size
}

function mixedLevel(
  { channels, covariance }: SoundStats,
  weights: readonly number[],
  loudest: number,
): number {
  let power = 0
  for (const [a, row] of covariance.entries()) {
    for (const [b, product] of row.entries()) power += weights[a]! * weights[b]! * product
  }
  const own = covariance[loudest]![loudest]!
  const change = power > 0 && own > 0 ? 10 * Math.log10(power / own) : 0
  return channels[loudest]!.level + change
}

function evenly(count: number): number[] {
  return Array.from({ length: count }, () => 1 / count)
}

function gainFor(level: number, peak: number): number {
  const isTooLoud = peak > OVER && level > TARGET
  return level !== -Infinity && (level < QUIET || isTooLoud) ? Math.round(TARGET - level) : 0
}

function quietness(level: number, gain: number): string[] {
  if (level >= QUIET) return []
  const lost = level < LOST ? ' So little of it is left that words may be missing.' : ''
  return [`Its sound is very quiet: it was turned up by ${gain} dB.${lost}`]
}
