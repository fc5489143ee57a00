import { z } from 'zod'
import type { Span } from '../../../shared/span.ts'

const amount = z.number().min(0)
const span = z.object({ start: amount, end: amount })
const word = z.object({ start: amount, end: amount, text: z.string() })
const mix = z.object({
  weights: z.array(z.number().min(-1).max(1)).max(64).nullable(),
  layout: z
    .string()
    .regex(/^[\w.()]+$/)
    .nullable(),
  gain: z.number().min(-200).max(200),
})
const segment = z.object({
  start: amount,
  end: amount,
  text: z.string(),
  speaker: z.string().exactOptional(),
  words: z.array(word).exactOptional(),
  flags: z.array(z.string()).exactOptional(),
})

const version1 = z.object({
  version: z.literal(1),
  source: z.string(),
  options: z.string(),
  engine: z.object({
    name: z.string(),
    model: z.string(),
    device: z.string(),
    version: z.string(),
  }),
  track: z.int().min(0),
  seconds: amount,
  finder: z.enum(['silero', 'loudness']),
  voices: z
    .array(
      z.object({
        speech: z.array(span),
        doneUntil: amount,
        channel: z.int().nullable(),
        mix: mix.default({ weights: null, layout: null, gain: 0 }),
      }),
    )
    .min(1)
    .max(2),
  decided: z.object({ language: z.string(), probability: z.number().nullable() }).nullable(),
  heard: z.record(z.string(), z.object({ seconds: amount, weighed: amount, knownSeconds: amount })),
  segments: z.array(segment),
  dropped: z.int().min(0),
  warnings: z.array(z.string()),
})

/**
 * A checkpoint as agents of version 0.1.0 read it, by a copy of their rules: they know of no parts after an unfinished
 * one. Null: they begin anew.
 */
export function readByVersion1(value: unknown): z.output<typeof version1> | null {
  const { data } = version1.safeParse(value)
  return data !== undefined && isConsistent(data) ? data : null
}

const SLACK = 1

function isConsistent({ seconds, voices, segments }: z.output<typeof version1>): boolean {
  const isInside = ({ start, end }: Span): boolean => start <= end && end <= seconds + SLACK
  const channels = voices.map(({ channel }) => channel).join()
  return (
    (channels === '' || channels === '0,1') &&
    voices.every(
      ({ speech, doneUntil }) =>
        doneUntil <= seconds + SLACK &&
        speech.every((one, i) => isInside(one) && one.start >= (speech[i - 1]?.end ?? 0)),
    ) &&
    segments.every((one) => isInside(one) && (one.words ?? []).every(isInside))
  )
}
