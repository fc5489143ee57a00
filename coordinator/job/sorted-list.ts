/** Longer blocks are halved. */
const MAX_BLOCK = 512

interface Block<T> {
  values: T[]
  weight: number
}

/**
 * Distinct values in order, in short blocks: insertion, removal and rank cost far less than the length of the list.
 * Values that compare as 0 are the same.
 */
export class SortedList<T> implements Iterable<T> {
  readonly #compare: (a: T, b: T) => number
  readonly #weigh: (value: T) => number
  #blocks: Block<T>[] = []
  #size = 0

  /** @param weigh for {@link before}; must not change while the value is inside. */
  constructor(compare: (a: T, b: T) => number, weigh: (value: T) => number = () => 0) {
    this.#compare = compare
    this.#weigh = weigh
  }

  get size(): number {
    return this.#size
  }

  get first(): T | undefined {
    return this.#blocks[0]?.values[0]
  }

  insert(value: T): void {
    this.#size += 1
    const last = this.#blocks.at(-1)
    if (last === undefined || this.#compare(last.values.at(-1)!, value) < 0)
      return this.#append(last, value)
    const at = this.#blockOf(value)
    const block = this.#blocks[at]!
    block.values.splice(this.#indexIn(block, value), 0, value)
    block.weight += this.#weigh(value)
    if (block.values.length > MAX_BLOCK) this.#halve(at)
  }

  /** @returns whether it was there. */
  delete(value: T): boolean {
    const at = this.#blockOf(value)
    const block = this.#blocks[at]
    if (block === undefined) return false
    const index = this.#indexIn(block, value)
    const found = block.values[index]
    if (found === undefined || this.#compare(found, value) !== 0) return false
    block.values.splice(index, 1)
    block.weight -= this.#weigh(found)
    if (block.values.length === 0) this.#blocks.splice(at, 1)
    this.#size -= 1
    return true
  }

  /** How many values are before one, and their weight. */
  before(value: T): { count: number; weight: number } {
    const at = this.#blockOf(value)
    let [count, weight] = [0, 0]
    for (let i = 0; i < at; i += 1) {
      count += this.#blocks[i]!.values.length
      weight += this.#blocks[i]!.weight
    }
    const block = this.#blocks[at]
    const within = block === undefined ? 0 : this.#indexIn(block, value)
    for (let i = 0; i < within; i += 1) weight += this.#weigh(block!.values[i]!)
    return { count: count + within, weight }
  }

  *[Symbol.iterator](): Iterator<T> {
    for (const { values } of this.#blocks) yield* values
  }

  /** From the last that is before `end`, or from the last. The list must not change meanwhile. */
  *backwards(end?: T): Iterable<T> {
    const from = end === undefined ? this.#blocks.length : this.#blockOf(end)
    for (let at = Math.min(from, this.#blocks.length - 1); at >= 0; at -= 1) {
      const block = this.#blocks[at]!
      const length = end !== undefined && at === from ? this.#indexIn(block, end) : undefined
      for (let i = (length ?? block.values.length) - 1; i >= 0; i -= 1) yield block.values[i]!
    }
  }

  /** The first block that ends with this value or a later one; the number of blocks: none does. */
  #blockOf(value: T): number {
    return firstIn(this.#blocks, (block) => this.#compare(block.values.at(-1)!, value) >= 0)
  }

  #indexIn({ values }: Block<T>, value: T): number {
    return firstIn(values, (one) => this.#compare(one, value) >= 0)
  }

  /** Most values come in order: their blocks are filled. */
  #append(last: Block<T> | undefined, value: T): void {
    if (last === undefined || last.values.length === MAX_BLOCK)
      this.#blocks.push({ values: [value], weight: this.#weigh(value) })
    else {
      last.values.push(value)
      last.weight += this.#weigh(value)
    }
  }

  #halve(at: number): void {
    const { values } = this.#blocks[at]!
    // Copies: a part that is cut off leaves its room behind.
    const halves = [values.slice(0, MAX_BLOCK / 2), values.slice(MAX_BLOCK / 2)]
    this.#blocks.splice(at, 1, ...halves.map((half) => this.#blockWith(half)))
  }

  #blockWith(values: T[]): Block<T> {
    return { values, weight: values.reduce((sum, value) => sum + this.#weigh(value), 0) }
  }
}

/** The first index whose value passes, where all after it pass, too. */
function firstIn<T>(values: readonly T[], passes: (value: T) => boolean): number {
  let [low, high] = [0, values.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (passes(values[middle]!)) high = middle
    else low = middle + 1
  }
  return low
}
