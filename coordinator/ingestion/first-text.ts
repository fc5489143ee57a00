/** The text of a body's first bytes; whatever is longer is cut there, and the connection with it. */
export async function firstText(
  body: AsyncIterable<Buffer> & { destroy(): unknown },
  mostBytes: number,
): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes >= mostBytes) break
  }
  body.destroy()
  return Buffer.concat(chunks).subarray(0, mostBytes).toString('utf8')
}
