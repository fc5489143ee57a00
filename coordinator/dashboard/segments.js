/**
 * What was said when, as a result's metadata has it. It came from a worker: what does not fit is left out.
 *
 * @typedef {import('./wire.d.ts').Segment} Segment
 */

/** @param {Record<string, unknown>} metadata @returns {Segment[]} in the order of their beginning */
export function segmentsOf(metadata) {
  const { segments } = metadata
  if (!Array.isArray(segments)) return []
  /** @type {Segment[]} */
  const found = []
  for (const one of /** @type {Record<string, unknown>[]} */ (segments)) {
    if (typeof one !== 'object' || one === null) continue
    const { start, end, text, speaker, flags } = one
    if (typeof start !== 'number' || typeof end !== 'number' || typeof text !== 'string') continue
    const who = typeof speaker === 'string' ? speaker : null
    const doubts = Array.isArray(flags) ? flags.filter((flag) => typeof flag === 'string') : []
    found.push({ start, end, text: text.trim(), speaker: who, doubts })
  }
  return found.sort((a, b) => a.start - b.start)
}

/** Which is spoken at an instant, or was last; -1: none yet. @param {Segment[]} segments @param {number} seconds */
export function indexAt(segments, seconds) {
  let low = 0
  let high = segments.length
  while (low < high) {
    const middle = (low + high) >> 1
    const one = segments[middle]
    if (one !== undefined && one.start <= seconds) low = middle + 1
    else high = middle
  }
  return low - 1
}

/** Speakers in the order in which they are first heard. @param {Segment[]} segments @returns {string[]} */
export function speakersOf(segments) {
  return [...new Set(segments.map(({ speaker }) => speaker).filter((name) => name !== null))]
}

/**
 * Where something is said, by whom, without breaks that nobody could see.
 *
 * @param {Segment[]} segments
 * @param {number} leastSeconds shorter breaks are none
 * @returns {{ start: number, end: number, speaker: string | null }[]}
 */
export function stretches(segments, leastSeconds) {
  /** @type {{ start: number, end: number, speaker: string | null }[]} */
  const found = []
  for (const { start, end, speaker } of segments) {
    const last = found.at(-1)
    if (last !== undefined && last.speaker === speaker && start - last.end < leastSeconds)
      last.end = Math.max(last.end, end)
    else found.push({ start, end, speaker })
  }
  return found
}
