import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'

/** The part `file` of a form. */
export interface FormFile {
  filename: string
  mediaType: string
  sizeBytes: number
  /** `sizeBytes` of them. */
  bytes: AsyncIterable<Buffer> | Iterable<Buffer>
}

/** A multipart request of fields and one file, which is read while it is sent. */
export function multipart(
  fields: Readonly<Record<string, string>>,
  { filename, mediaType, sizeBytes, bytes }: FormFile,
): { headers: Record<string, string>; body: Readable } {
  const boundary = `morag-${randomUUID()}`
  const parts = Object.entries(fields).map(
    ([name, value]) =>
      `--${boundary}\r\ncontent-disposition: form-data; name="${escaped(name)}"\r\n\r\n${value}\r\n`,
  )
  const head = Buffer.from(
    `${parts.join('')}--${boundary}\r\n` +
      `content-disposition: form-data; name="file"; filename="${escaped(filename)}"\r\n` +
      `content-type: ${mediaType}\r\n\r\n`,
  )
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`)
  async function* whole(): AsyncGenerator<Buffer> {
    yield head
    yield* bytes
    yield tail
  }
  return {
    headers: {
      'content-type': `multipart/form-data; boundary=${boundary}`,
      'content-length': String(head.length + sizeBytes + tail.length),
    },
    body: Readable.from(whole(), { objectMode: false }),
  }
}

/** As a browser writes it (HTML, "multipart/form-data encoding algorithm"). */
function escaped(name: string): string {
  return name.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}
