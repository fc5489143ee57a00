/** Bounds the work on a path that is encoded over and over. */
const MAX_ROUNDS = 10

/**
 * The segments of a path as the most lenient server might read it: percent-decoded until nothing changes, `\` as `/`,
 * without parameters (`;…`), empty and dot segments, white space and capitals. For comparisons only.
 * @param target a path, with or without a query.
 * @returns `..` first where it leaves its root.
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

/** Whether a path has a segment `..`, however it is encoded. */
export function leadsUp(target: string): boolean {
  const path = fullyDecoded(target.split('?')[0]!)
  return /(^|\/)[\p{Cc}\s]*\.\.[\p{Cc}\s]*([/;]|$)/u.test(path)
}

function fullyDecoded(path: string): string {
  let text = path
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const decoded = text.replace(/%([0-9a-f]{2})/gi, (_, code: string) =>
      String.fromCharCode(Number.parseInt(code, 16)),
    )
    if (decoded === text) break
    text = decoded
  }
  return text.replaceAll('\\', '/')
}
