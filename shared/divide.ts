/**
 * Divides items in a row into groups at the least cost in all, by dynamic programming.
 * @param groupsFrom calls `offer` for each index after the last item that a group beginning at `from` may have, with the
 * group's cost. At least one of each.
 * @returns the index after the last item of each group.
 */
export function divide(
  count: number,
  groupsFrom: (from: number, offer: (to: number, cost: number) => void) => void,
): number[] {
  const least = new Float64Array(count + 1).fill(Infinity)
  const before = new Int32Array(count + 1)
  least[0] = 0
  let from = 0
  const offer = (to: number, cost: number): void => {
    if (least[from]! + cost >= least[to]!) return
    least[to] = least[from]! + cost
    before[to] = from
  }
  for (; from < count; from++) if (least[from]! < Infinity) groupsFrom(from, offer)
  const ends: number[] = []
  for (let to = count; to > 0; to = before[to]!) ends.push(to)
  return ends.toReversed()
}
