/** Marks an integer that a JavaScript number would round; no ordinary text begins so. */
const MARK = '\u0000int:'
/** In JSON. */
const MARKED = /"\\u0000int:(-?\d+)"/g
const MAYBE_LARGE = /\d{16}|\d[eE]\+?\d{3}/
const MAYBE_NO_NUMBER = /NaN|Infinity/

/**
 * The value of a JSON text. Integers above 2^53 come as marked texts, which {@link writeJson} writes as they were. What
 * Python writes for numbers that JSON does not have (`NaN`, `Infinity`), and what is beyond all numbers, is null.
 * @throws {SyntaxError}
 */
export function readJson(text: string): unknown {
  if (MAYBE_LARGE.test(text)) return JSON.parse(rewritten(text)) as unknown
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    if (!MAYBE_NO_NUMBER.test(text)) throw error
    return JSON.parse(rewritten(text)) as unknown
  }
}

/** JSON of a value that {@link readJson} may have read. */
export function writeJson(value: unknown, indent?: number): string {
  const json = JSON.stringify(value, null, indent)
  return json.includes(String.raw`\u0000int:`) ? json.replace(MARKED, '$1') : json
}

/** Where the string that begins here ends; the text's end when it does not. */
export function endOfString(text: string, start: number): number {
  for (let from = start + 1; ;) {
    const end = text.indexOf('"', from)
    if (end === -1) return text.length
    let backslashes = 0
    while (text[end - 1 - backslashes] === '\\') backslashes += 1
    if (backslashes % 2 === 0) return end
    from = end + 1
  }
}

const TOKEN = /"|-?(?:NaN|Infinity)|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/g

/** JSON without the numbers that JavaScript does not have. */
function rewritten(text: string): string {
  const pieces: string[] = []
  let from = 0
  TOKEN.lastIndex = 0
  for (let found = TOKEN.exec(text); found !== null; found = TOKEN.exec(text)) {
    const [token] = found
    if (token === '"') {
      TOKEN.lastIndex = endOfString(text, found.index) + 1
      continue
    }
    const other = insteadOf(token)
    if (other === token) continue
    pieces.push(text.slice(from, found.index), other)
    from = TOKEN.lastIndex
  }
  return [...pieces, text.slice(from)].join('')
}

function insteadOf(token: string): string {
  if (!Number.isFinite(Number(token))) return 'null'
  const isLarge = /^-?\d{16,}$/.test(token) && !Number.isSafeInteger(Number(token))
  return isLarge ? JSON.stringify(MARK + token) : token
}
