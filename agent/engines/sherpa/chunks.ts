import type { Span } from '../../../shared/span.ts'

export interface Chunk {
  speech: Span
  /** The speech and some padding, never overlapping a neighbour's. */
  audio: Span
}

/** In the unit of the spans. */
export interface ChunkLimits {
  /** Speech this close together is one chunk … */
  mergeGap: number
  /** … up to this length. Only speech without a pause is longer. */
  maxLength: number
  pad: number
}

/** @param limits in seconds. @returns in samples. */
export function chunkLimits(
  { mergeGap, maxLength, pad }: ChunkLimits,
  sampleRate: number,
): ChunkLimits {
  const samples = (seconds: number): number => Math.round(seconds * sampleRate)
  return { mergeGap: samples(mergeGap), maxLength: samples(maxLength), pad: samples(pad) }
}

/** Joins spans of speech, in order of time, to chunks as they come in. */
export class Chunker {
  readonly #limits: ChunkLimits
  #open: Span | null = null
  #floor = 0

  constructor(limits: ChunkLimits) {
    this.#limits = limits
  }

  /**
   * Returns the chunk that the next span closes. A span that `continues` the last one was cut for want of a pause: it
   * joins the chunk whatever its length.
   */
  push(span: Span, continues = false): Chunk | null {
    const open = this.#open
    // Spans do not overlap: one that seems to is cut.
    const next = { start: Math.max(span.start, open?.end ?? this.#floor), end: span.end }
    if (next.end <= next.start) return null
    const { mergeGap, maxLength } = this.#limits
    const near = open !== null && next.start - open.end <= mergeGap
    if (near && (continues || next.end - open.start <= maxLength)) {
      open.end = next.end
      return null
    }
    this.#open = next
    return open === null ? null : this.#close(open, middle(open.end, next.start))
  }

  /** The last chunk of a recording of `total` samples. */
  flush(total: number): Chunk | null {
    const open = this.#open
    this.#open = null
    if (open === null) return null
    const speech = { start: Math.min(open.start, total), end: Math.min(open.end, total) }
    return speech.end > speech.start ? this.#close(speech, total) : null
  }

  #close(speech: Span, ceiling: number): Chunk {
    const { pad } = this.#limits
    const start = Math.max(this.#floor, speech.start - pad)
    const end = Math.min(ceiling, speech.end + pad)
    this.#floor = end
    return { speech, audio: { start, end } }
  }
}

function middle(a: number, b: number): number {
  return Math.floor((a + b) / 2)
}
