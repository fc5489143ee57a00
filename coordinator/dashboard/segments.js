/** @typedef {import('./wire.d.ts').Segment} Segment */

/**
 * The segments in a result's metadata. Workers write it freely: invalid segments are dropped.
 *
 * @param {Record<string, unknown>} metadata
 * @returns {Segment[]} by start
 */
export function segmentsOf(metadata) {
  const { segments } = metadata
  if (!Array.isArray(segments)) return []
  /** @type {Segment[]} */
  const found = []
  for (const one of /** @type {Record<string, unknown>[]} */ (segments)) {
    if (typeof one !== 'object' || one === null) continue
    const { start, end, text, speaker, speaker_label, flags, confidence } = one
    if (typeof start !== 'number' || typeof end !== 'number' || typeof text !== 'string') continue
    found.push({
      start,
      end,
      text: text.trim(),
      speaker: typeof speaker === 'string' ? speaker : null,
      label: [speaker_label, speaker].find((name) => typeof name === 'string') ?? null,
      flags: Array.isArray(flags) ? flags.filter((flag) => typeof flag === 'string') : [],
      confidence: typeof confidence === 'number' ? confidence : 1,
    })
  }
  return found.sort((a, b) => a.start - b.start)
}

/** The last segment that starts at or before a position; -1: none. @param {Segment[]} segments @param {number} seconds */
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

/** Labels of speakers, in the order of their first segment. @param {Segment[]} segments @returns {string[]} */
export function speakersOf(segments) {
  return [...new Set(segments.map(({ label }) => label).filter((label) => label !== null))]
}

/**
 * Merges consecutive segments of one speaker.
 *
 * @param {Segment[]} segments
 * @param {number} gapSeconds shorter gaps are closed
 * @returns {{ start: number, end: number, label: string | null }[]}
 */
export function mergedBySpeaker(segments, gapSeconds) {
  /** @type {{ start: number, end: number, label: string | null }[]} */
  const found = []
  for (const { start, end, label } of segments) {
    const last = found.at(-1)
    if (last !== undefined && last.label === label && start - last.end < gapSeconds)
      last.end = Math.max(last.end, end)
    else found.push({ start, end, label })
  }
  return found
}
