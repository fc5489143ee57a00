/** The most accurate first. */
const BEST = [
  'large-v3',
  'large-v3-turbo',
  'large-v2',
  'large-v1',
  'large',
  'medium',
  'small',
  'base',
  'tiny',
]
const QUANTISED = /-q\d.*$/i
const ENGLISH = /\.en\b/

/**
 * How good a model of Whisper is by its name, `large-v3-turbo-q5_0` or `whisper-base.en-Q8_0`, from 0 on: the largest,
 * multilingual before English-only, full precision before quantised. On a CPU turbo goes before the large models, which
 * are hardly better and several times slower. Null for other models.
 */
export function whisperRank(model: string, onCpu: boolean): number | null {
  const order = onCpu ? ['large-v3-turbo', ...BEST] : BEST
  const name = model
    .replace(/^whisper-/, '')
    .replace(/-(F16|F32|BF16)$/, '')
    .replace(QUANTISED, '')
    .replace(ENGLISH, '')
  const at = order.indexOf(name)
  if (at === -1 && !name.startsWith('distil-')) return null
  const size = at === -1 ? order.length : at
  return size * 4 + (ENGLISH.test(model) ? 2 : 0) + (QUANTISED.test(model) ? 1 : 0)
}
