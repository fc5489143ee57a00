import { endOfString, readJson } from './exact-json.ts'

/** Writing a document recurses as deep, on the stack. */
const MOST_DEEP = 100
/** Objects and arrays together: three times the words of a recording of a hundred hours. */
const MOST_CONTAINERS = 1_000_000
/** Beyond that, parsing blocks the event loop for seconds. */
const MOST_COMMAS = 4_000_000

/**
 * Distinct field names. Repeated ones, as in a list of words, cost little; each distinct one makes a new hidden class, and
 * half a million of those take a minute.
 */
const MOST_NAMES = 10_000

const QUOTE = 0x22
const COLON = 0x3a
const COMMA = 0x2c
const OPENING = [0x5b, 0x7b]
const CLOSING = [0x5d, 0x7d]

/**
 * Parses foreign JSON after checking its size: a few bytes of text can take a hundred of memory.
 * @throws {SyntaxError} when it is not JSON.
 * @throws {RangeError} with a sentence, when it exceeds a limit.
 */
export function parseBounded(text: string): unknown {
  const excess = excessOf(text)
  if (excess !== null) throw new RangeError(excess)
  return readJson(text)
}

function excessOf(text: string): string | null {
  let depth = 0
  let containers = 0
  let commas = 0
  const names = new Set<string>()
  const following = new Map<string, string>()
  let name = ''
  let stringAt = 0
  let stringEnd = 0
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) {
      const end = endOfString(text, at)
      stringAt = at
      stringEnd = end
      at = end
    } else if (code === COLON) {
      // Mostly the name that followed the same name before: then no substring is made.
      const expected = following.get(name)
      const isExpected =
        expected?.length === stringEnd - stringAt && text.startsWith(expected, stringAt)
      if (isExpected) name = expected
      else {
        const before = name
        name = text.slice(stringAt, stringEnd)
        following.set(before, name)
        names.add(name)
      }
      if (names.size > MOST_NAMES)
        return `The JSON has more than ${MOST_NAMES} different names of fields.`
    } else if (code === COMMA) {
      commas += 1
      if (commas > MOST_COMMAS) return `The JSON has more than ${MOST_COMMAS} values.`
    } else if (OPENING.includes(code)) {
      depth += 1
      containers += 1
      if (depth > MOST_DEEP) return `The JSON is nested more than ${MOST_DEEP} levels deep.`
      if (containers > MOST_CONTAINERS)
        return `The JSON has more than ${MOST_CONTAINERS} objects and arrays.`
    } else if (CLOSING.includes(code)) depth -= 1
  }
  return null
}
