/**
 * The text of a body's first bytes. A longer body is cut there and its connection closed, so that no peer can fill the
 * memory.
 * @returns `isCut`: the body is longer than `mostBytes`.
 */
export async function bodyText(
  body: AsyncIterable<Buffer>,
  mostBytes: number,
): Promise<{ text: string; isCut: boolean }> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes > mostBytes) break
  }
  const text = Buffer.concat(chunks).subarray(0, mostBytes).toString('utf8')
  return { text, isCut: bytes > mostBytes }
}

/** The value of a JSON text: null for an empty text, undefined for one that is not JSON. */
export function tryJson(text: string): unknown {
  try {
    return text === '' ? null : (JSON.parse(text) as unknown)
  } catch {
    return undefined
  }
}
