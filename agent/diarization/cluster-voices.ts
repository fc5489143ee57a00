/** An embedding of length 1: the cosine of two is their product. */
export type Embedding = Float32Array

interface Voice {
  embedding: Embedding
  /** Of the speech that it stands for. */
  seconds: number
}

/** Two clusters become one, named as `into`, at this mean cosine of their members. */
interface Merge {
  from: number
  into: number
  likeness: number
}

/** Less speech is no speaker: less than this share of all, up to so many seconds; and never less than the least. */
const LEAST_SHARE = 0.02
const LEAST_SECONDS = 1.5
const MOST_SECONDS = 20
/** Mean voices that are more alike are one speaker's. */
const SAME_VOICE = 0.5
/** The work grows with the square: of more voices, so many are clustered, evenly spread. */
const MOST_VOICES = 2500

/**
 * The mean voices of the speakers, who speaks most first, in two steps. Agglomerative clustering with average linkage
 * makes clusters that are pure, of which those of next to no speech are dropped. Then those whose mean voices are alike
 * are joined: a mean is much less spoilt by noise than a piece.
 * @param likeness down to which mean cosine clusters grow; @param min, max bounds of the number of speakers.
 */
export function clusterVoices(
  all: readonly Voice[],
  { likeness, min, max }: { likeness: number; min: number; max: number },
): Embedding[] {
  const stride = Math.max(1, all.length / MOST_VOICES)
  const voices = Array.from({ length: Math.floor(all.length / stride) }, (_, i): Voice => {
    const { embedding, seconds } = all[Math.floor(i * stride)]!
    // It stands for those that are left out, too.
    return { embedding, seconds: seconds * stride }
  })
  const merges = mergesOf(voices.map(({ embedding }) => embedding))
  const speakersAfter = (count: number): Voice[][] => speakers(voices, merges.slice(0, count))
  let count = merges.filter((merge) => merge.likeness >= likeness).length
  let found = speakersAfter(count)
  while (found.length < min && count > 0) {
    const more = speakersAfter(--count)
    if (more.length > found.length) found = more
  }
  return joinAlike(found, min, max)
}

function joinAlike(clusters: Voice[][], min: number, max: number): Embedding[] {
  const means = clusters.map(meanOf)
  for (;;) {
    let [into, from, most] = [0, 0, -Infinity]
    for (const [i, one] of means.entries()) {
      for (let other = i + 1; other < means.length; other++) {
        const found = product(one, means[other]!)
        if (found > most) [into, from, most] = [i, other, found]
      }
    }
    if (means.length <= Math.max(1, min) || (most < SAME_VOICE && means.length <= max)) return means
    clusters[into]!.push(...clusters[from]!)
    means[into] = meanOf(clusters[into]!)
    clusters.splice(from, 1)
    means.splice(from, 1)
  }
}

/** The clusters that are large enough to be speakers, the largest first. */
function speakers(voices: readonly Voice[], merges: readonly Merge[]): Voice[][] {
  const parents = voices.map((_, i) => i)
  for (const { from, into } of merges) parents[from] = into
  const rootOf = (i: number): number => {
    while (parents[i] !== i) i = parents[i]!
    return i
  }
  const clusters = new Map<number, Voice[]>()
  for (const [i, voice] of voices.entries()) {
    const root = rootOf(i)
    const cluster = clusters.get(root)
    if (cluster === undefined) clusters.set(root, [voice])
    else cluster.push(voice)
  }
  const secondsOf = (cluster: readonly Voice[]): number =>
    cluster.reduce((sum, { seconds }) => sum + seconds, 0)
  const least = Math.max(LEAST_SECONDS, Math.min(MOST_SECONDS, secondsOf(voices) * LEAST_SHARE))
  const sorted = [...clusters.values()].toSorted((a, b) => secondsOf(b) - secondsOf(a))
  const large = sorted.filter((cluster) => secondsOf(cluster) >= least)
  return large.length > 0 ? large : sorted.slice(0, 1)
}

/**
 * All merges of average linkage, the most alike first, by the nearest-neighbour chain (Müllner, "Modern hierarchical,
 * agglomerative clustering algorithms", 2011). The mean cosine between two clusters is the product of the sums of their
 * embeddings over the numbers of these: no matrix is kept.
 */
function mergesOf(embeddings: readonly Embedding[]): Merge[] {
  const sums = embeddings.map((one) => one.slice())
  const sizes = embeddings.map(() => 1)
  const left = new Set(embeddings.keys())
  const merges: Merge[] = []
  const chain: number[] = []
  while (left.size > 1) {
    if (chain.length === 0) chain.push(left.values().next().value!)
    const [last, before] = [chain.at(-1)!, chain.at(-2)]
    const likenessTo = (other: number): number =>
      product(sums[last]!, sums[other]!) / (sizes[last]! * sizes[other]!)
    let nearest = before ?? -1
    let likeness = before === undefined ? -Infinity : likenessTo(before)
    for (const other of left) {
      if (other === last || other === before) continue
      const found = likenessTo(other)
      if (found > likeness) [nearest, likeness] = [other, found]
    }
    if (nearest !== before) {
      chain.push(nearest)
      continue
    }
    merges.push({ from: last, into: nearest, likeness })
    addTo(sums[nearest]!, sums[last]!)
    sizes[nearest]! += sizes[last]!
    left.delete(last)
    chain.length -= 2
  }
  return merges.toSorted((a, b) => b.likeness - a.likeness)
}

function meanOf(cluster: readonly Voice[]): Embedding {
  const sum = new Float32Array(cluster[0]!.embedding.length)
  for (const { embedding } of cluster) addTo(sum, embedding)
  return unitOf(sum)
}

export function unitOf(vector: Float32Array): Embedding {
  const length = Math.sqrt(product(vector, vector)) || 1
  return vector.map((value) => value / length)
}

export function product(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

function addTo(target: Float32Array, more: Float32Array): void {
  for (let i = 0; i < target.length; i++) target[i]! += more[i]!
}
