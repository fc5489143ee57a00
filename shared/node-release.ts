/**
 * The end of security fixes of each release line of Node, by major version (the Node.js Release schedule, 2026-11).
 */
const END_OF_LIFE: Readonly<Record<number, string>> = {
  20: '2026-04-30',
  21: '2024-06-01',
  22: '2027-04-30',
  23: '2025-06-01',
  24: '2028-04-30',
  25: '2026-06-01',
  26: '2029-04-30',
}

/**
 * A warning for a Node without security fixes; null: none.
 * @param version of `process.version`.
 * @param now in milliseconds since 1970.
 */
export function nodeProblem(version: string, now: number): string | null {
  const major = Number(/^v(\d+)\./.exec(version)?.[1])
  const end = END_OF_LIFE[major]
  if (end === undefined || now < Date.parse(end)) return null
  const current = Object.entries(END_OF_LIFE)
    .filter(([one, day]) => Number(one) % 2 === 0 && now < Date.parse(day))
    .map(([one]) => one)
  const names = new Intl.ListFormat('en', { type: 'disjunction', style: 'short' }).format(current)
  const fix = current.length === 0 ? 'a current one' : `Node ${names}`
  return `Node ${version.slice(1)} gets no security fixes since ${end}: install ${fix}`
}
