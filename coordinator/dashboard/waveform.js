import { svg } from './element.js'
import { peaksOf } from './peaks.js'
import { mergedBySpeaker } from './segments.js'

const WIDTH = 1000
const HEIGHT = 80
/** Larger recordings take too much memory to decode in a browser. */
const MAX_BYTES = 50 * 1000 * 1000
const MAX_SECONDS = 2 * 3600
/** Sufficient for peaks; most browsers accept no lower rate. */
const SAMPLE_RATE = 8_000
const PEAKS = WIDTH / 2

/**
 * The recording's speech, coloured by speaker, with its waveform once `draw` is called.
 *
 * @param {import('./wire.d.ts').Segment[]} segments
 * @param {string[]} speakers
 * @param {number} seconds
 * @param {(seconds: number) => void} seek
 */
export function waveform(segments, speakers, seconds, seek) {
  const x = (/** @type {number} */ at) => (at / Math.max(seconds, 0.001)) * WIDTH
  const bars = mergedBySpeaker(segments, seconds / WIDTH).map(({ start, end, label }) => {
    const tone = label === null ? 0 : speakers.indexOf(label) % 8
    return svg('rect', {
      class: `bar s${tone}`,
      x: x(start),
      width: Math.max(1, x(end) - x(start)),
      y: 0,
      height: HEIGHT,
    })
  })
  const peaks = svg('path', { class: 'peaks', d: '' })
  const head = svg('path', { class: 'head', d: headAt(0) })
  const onclick = (/** @type {MouseEvent} */ event) => {
    const { left, width } = element.getBoundingClientRect()
    seek(((event.clientX - left) / width) * seconds)
  }
  const element = svg(
    'svg',
    {
      class: 'waveform',
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: 'none',
      'aria-hidden': 'true',
      onclick,
    },
    bars,
    peaks,
    head,
  )
  return {
    element,
    /** @param {number} at */
    moveTo: (at) => head.setAttribute('d', headAt(x(at))),
    /** @param {Float32Array} loudness */
    draw: (loudness) => peaks.setAttribute('d', peaksPath(loudness)),
  }
}

/** @param {number} x */
function headAt(x) {
  return `M${x.toFixed(1)} 0V${HEIGHT}`
}

/** @param {Float32Array} loudness 0 to 1 */
function peaksPath(loudness) {
  const middle = HEIGHT / 2
  let path = ''
  for (const [i, value] of loudness.entries()) {
    const half = Math.max(0.5, value * (middle - 2))
    const x = (((i + 0.5) / loudness.length) * WIDTH).toFixed(1)
    path += `M${x} ${(middle - half).toFixed(1)}V${(middle + half).toFixed(1)}`
  }
  return path
}

/**
 * Downloads and decodes a recording.
 *
 * @param {string} url
 * @param {{ sizeBytes: number, seconds: number }} size
 * @param {AbortSignal} signal
 * @returns {Promise<Float32Array | null>} its peaks, as `peaksOf` gives them; null: too large, or not decodable
 */
export async function loudnessOf(url, { sizeBytes, seconds }, signal) {
  if (sizeBytes > MAX_BYTES || seconds > MAX_SECONDS) return null
  try {
    const answer = await fetch(url, { signal })
    if (!answer.ok) return null
    const context = new OfflineAudioContext(1, 1, SAMPLE_RATE)
    const decoded = await context.decodeAudioData(await answer.arrayBuffer())
    const channels = Array.from({ length: decoded.numberOfChannels }, (_, i) =>
      decoded.getChannelData(i),
    )
    return peaksOf(channels, (seconds * decoded.length) / decoded.duration, PEAKS)
  } catch {
    return null
  }
}
