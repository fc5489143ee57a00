import { randomUUID } from 'node:crypto'

/** A multipart form of fields and one file, as bytes. */
export function formBody(
  fields: Readonly<Record<string, string>>,
  file: Buffer,
): { raw: Buffer; headers: Record<string, string> } {
  const boundary = randomUUID()
  const head = (name: string, more = ''): string =>
    `--${boundary}\r\ncontent-disposition: form-data; name="${name}"${more}\r\n\r\n`
  const before = Object.entries(fields).map(([name, value]) => `${head(name)}${value}\r\n`)
  return {
    raw: Buffer.concat([
      Buffer.from(before.join('') + head('file', '; filename="talk.mp3"')),
      file,
      Buffer.from(`\r\n--${boundary}--\r\n`),
    ]),
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
  }
}
