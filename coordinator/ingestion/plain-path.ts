/** What is still encoded after so many rounds is a puzzle, not a path. */
const MOST_ROUNDS = 10

/**
 * A path as the most eager server might read it: percent-encoding undone until nothing changes, `\` as `/`, without
 * parameters (`;…`), empty and dot segments, white space and capitals. For comparisons alone.
 * @param target a path, with a query or without.
 * @returns its segments; `..` where it leads out of its root.
 */
export function plainSegments(target: string): string[] {
  const out: string[] = []
  for (const part of fullyDecoded(target.split(/[?#]/)[0]!).split('/')) {
    const segment = (part.split(';')[0] ?? '').replace(/[\p{Cc}\s]/gu, '').toLowerCase()
    if (segment === '' || segment === '.') continue
    if (segment !== '..' || out.length === 0 || out.at(-1) === '..') out.push(segment)
    else out.pop()
  }
  return out
}

/** Whether some server may take a path for one outside the folder that it is in: it has a segment `..`, however written. */
export function leadsUp(target: string): boolean {
  const path = fullyDecoded(target.split('?')[0]!)
  return /(^|\/)[\p{Cc}\s]*\.\.[\p{Cc}\s]*([/;]|$)/u.test(path)
}

function fullyDecoded(path: string): string {
  let text = path
  for (let round = 0; round < MOST_ROUNDS; round += 1) {
    const decoded = text.replace(/%([0-9a-f]{2})/gi, (_, code: string) =>
      String.fromCharCode(Number.parseInt(code, 16)),
    )
    if (decoded === text) break
    text = decoded
  }
  return text.replaceAll('\\', '/')
}
