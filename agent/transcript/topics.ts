/** How long a topic may be: whether the sentences from one to before another are enough, or too many. */
export interface TopicLimits {
  isEnough: (from: number, to: number) => boolean
  /** Stays true for every later end. */
  isTooMuch: (from: number, to: number) => boolean
}

/**
 * Where topics begin in a text, by the words that they use: its most probable division, if each topic has a vocabulary of
 * its own (M. Utiyama and H. Isahara, A Statistical Model for Domain-Independent Text Segmentation, ACL 2001). Nothing is
 * trained, and the number of topics is found as well. Its time grows with the length of the text and of the longest topic.
 * @param sentences the words of each that carry meaning.
 * @returns the first sentence of each topic, ascending; the first is 0. Empty for no sentences.
 */
export function topicBorders(
  sentences: readonly (readonly string[])[],
  { isEnough, isTooMuch }: TopicLimits,
): number[] {
  const { texts, times, gains } = counted(sentences)
  const total = texts.reduce((sum, words) => sum + words.length, 0)
  const perTopic = Math.log(Math.max(2, total))
  const count = texts.length
  /** Of the sentences before each: the negative logarithm of the probability, and where the last topic begins. */
  const costs = [0, ...Array.from({ length: count }, () => Infinity)]
  const begins = Array.from({ length: count + 1 }, () => 0)
  for (let from = 0; from < count; from++) {
    if (costs[from] === Infinity) continue
    times.fill(0)
    let size = 0
    let gain = 0
    for (let to = from + 1; to <= count; to++) {
      for (const id of texts[to - 1]!) gain += gains[times[id]!++]!
      size += texts[to - 1]!.length
      const leavesEnough = to === count || isEnough(to, count)
      if (leavesEnough && (isEnough(from, to) || (from === 0 && to === count))) {
        const cost = costs[from]! + size * Math.log(size + times.length) - gain + perTopic
        if (cost < costs[to]!) {
          costs[to] = cost
          begins[to] = from
        }
      }
      if (isTooMuch(from, to) && costs[to] !== Infinity) break
    }
  }
  const borders: number[] = []
  for (let end = count; end > 0; end = begins[end]!) borders.unshift(begins[end]!)
  return borders
}

/** Words by number, a counter for each, and by how often a word was there what one more adds to the sum of f · ln(f + 1). */
function counted(sentences: readonly (readonly string[])[]): {
  texts: number[][]
  times: Uint32Array
  gains: Float64Array
} {
  const ids = new Map<string, number>()
  const texts = sentences.map((words) =>
    words.map((word) => {
      const id = ids.get(word) ?? ids.size
      ids.set(word, id)
      return id
    }),
  )
  const times = new Uint32Array(ids.size)
  for (const id of texts.flat()) times[id]!++
  const most = times.reduce((a, b) => Math.max(a, b), 0)
  const gains = Float64Array.from(
    { length: most },
    (_, f) => (f + 1) * Math.log(f + 2) - f * Math.log(f + 1),
  )
  return { texts, times, gains }
}
