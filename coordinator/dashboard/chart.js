import { h, svg } from './element.js'
import { about, count } from './format.js'

const WIDTH = 600
const HEIGHT = 100
/** What has just begun is drawn at the right, not blown up over the whole width. */
const LEAST_MS = 120_000

/**
 * How much waited and ran since the page was opened.
 *
 * @param {import('./history.js').Sample[]} samples
 */
export function chart(samples) {
  const first = samples[0]
  const last = samples.at(-1)
  if (first === undefined || last === undefined) return null
  const most = Math.max(1, ...samples.map(({ waiting, running }) => Math.max(waiting, running)))
  const spanMs = Math.max(LEAST_MS, last.at - first.at)
  const x = (/** @type {number} */ at) => WIDTH - ((last.at - at) / spanMs) * WIDTH
  const from = x(first.at).toFixed(1)
  const y = (/** @type {number} */ value) => HEIGHT - (value / most) * (HEIGHT - 4) - 2
  /** @param {'waiting' | 'running'} name */
  const steps = (name) => {
    let d = `M${from} ${y(first[name]).toFixed(1)}`
    for (const sample of samples.slice(1))
      d += `H${x(sample.at).toFixed(1)}V${y(sample[name]).toFixed(1)}`
    return `${d}H${WIDTH}`
  }
  const since = `the last ${about(spanMs / 1000)}`
  const label = `In ${since}: at most ${count(most)} at once; now ${count(last.waiting)} waiting and ${count(last.running)} running.`
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
      svg('path', { class: 'area', d: `${steps('waiting')}V${HEIGHT - 2}H${from}Z` }),
      svg('path', { class: 'waiting', d: steps('waiting') }),
      svg('path', { class: 'running', d: steps('running') }),
    ),
    h(
      'figcaption',
      null,
      h('span', null, since),
      h('span', { class: 'key waiting' }, 'waiting'),
      h('span', { class: 'key running' }, 'running'),
      h('span', { class: 'most' }, `top ${count(most)}`),
    ),
  )
}
