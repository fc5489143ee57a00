/** The text of an answer's body; null when it is longer, and given up: whoever answers us is to fill no memory. */
export async function answerText(
  body: AsyncIterable<Buffer>,
  mostBytes: number,
): Promise<string | null> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > mostBytes) return null
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** JSON, or undefined where the text is none. */
export function parseJson(text: string): unknown {
  try {
    return text === '' ? null : (JSON.parse(text) as unknown)
  } catch {
    return undefined
  }
}
