import { h, svg } from './element.js'
import { about, count } from './format.js'

const WIDTH = 600
const HEIGHT = 100
/** The least span of the time axis. */
const LEAST_MS = 120_000

/** The queue's length over time. @param {import('./history.js').Sample[]} samples */
export function chart(samples) {
  const first = samples[0]
  const last = samples.at(-1)
  if (first === undefined || last === undefined) return null
  const most = Math.max(1, ...samples.map((one) => Math.max(one.pending, one.processing)))
  const spanMs = Math.max(LEAST_MS, last.at - first.at)
  const x = (/** @type {number} */ at) => WIDTH - ((last.at - at) / spanMs) * WIDTH
  const from = x(first.at).toFixed(1)
  const y = (/** @type {number} */ value) => HEIGHT - (value / most) * (HEIGHT - 4) - 2
  /** @param {'pending' | 'processing'} name */
  const steps = (name) => {
    let d = `M${from} ${y(first[name]).toFixed(1)}`
    for (const sample of samples.slice(1))
      d += `H${x(sample.at).toFixed(1)}V${y(sample[name]).toFixed(1)}`
    return `${d}H${WIDTH}`
  }
  const since = `last ${about(spanMs / 1000)}`
  const label = `Jobs in the ${since}: ${count(last.pending)} pending and ${count(last.processing)} processing now, at most ${count(most)}.`
  return h(
    'figure',
    { class: 'chart' },
    svg(
      'svg',
      {
        viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
        preserveAspectRatio: 'none',
        role: 'img',
        'aria-label': label,
      },
      svg('path', { class: 'base', d: `M0 ${HEIGHT - 2}H${WIDTH}` }),
      svg('path', { class: 'area', d: `${steps('pending')}V${HEIGHT - 2}H${from}Z` }),
      svg('path', { class: 'pending', d: steps('pending') }),
      svg('path', { class: 'processing', d: steps('processing') }),
    ),
    h(
      'figcaption',
      null,
      h('span', null, since),
      h('span', { class: 'key pending' }, 'pending'),
      h('span', { class: 'key processing' }, 'processing'),
      h('span', { class: 'most' }, `max ${count(most)}`),
    ),
  )
}
