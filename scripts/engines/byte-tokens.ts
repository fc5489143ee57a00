/** GPT-2 writes bytes as printable characters: these as themselves, the others from U+0100 on. */
const PRINTABLE: readonly (readonly [number, number])[] = [
  [0x21, 0x7e],
  [0xa1, 0xac],
  [0xae, 0xff],
]

const BYTE_OF = byteTable()

/**
 * The bytes of a token in a vocabulary of GPT-2's kind (`Ġhello` is ` hello`).
 * @throws {Error} when a character stands for no byte.
 */
export function tokenBytes(token: string): Buffer {
  const bytes = Array.from(token, (character) => {
    const byte = BYTE_OF.get(character)
    if (byte === undefined) throw new Error(`'${character}' in the token '${token}' is no byte`)
    return byte
  })
  return Buffer.from(bytes)
}

function byteTable(): Map<string, number> {
  const table = new Map<string, number>()
  let next = 0x100
  for (let byte = 0; byte < 0x100; byte++) {
    const itself = PRINTABLE.some(([from, to]) => byte >= from && byte <= to)
    table.set(String.fromCodePoint(itself ? byte : next++), byte)
  }
  return table
}
