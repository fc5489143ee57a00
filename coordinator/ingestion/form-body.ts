import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { Readable } from 'node:stream'

/** What is sent as a form's `file`: a text at hand, or a file on the disk, of any size. */
export type FormFile = { filename: string; mediaType: string } & (
  | { text: string }
  | { path: string }
)

/**
 * A form of some fields and one file as a request: its length is known, and the file is read while it is sent.
 * @throws {Error} `ENOENT` and the like when the file is not there.
 */
export async function formBody(
  fields: Record<string, string>,
  file: FormFile,
): Promise<{ headers: Record<string, string>; body: Readable }> {
  const boundary = `morag-${randomUUID()}`
  const parts = Object.entries(fields).map(
    ([name, value]) =>
      `--${boundary}\r\ncontent-disposition: form-data; name="${escaped(name)}"\r\n\r\n${value}\r\n`,
  )
  const head = Buffer.from(
    `${parts.join('')}--${boundary}\r\n` +
      `content-disposition: form-data; name="file"; filename="${escaped(file.filename)}"\r\n` +
      `content-type: ${file.mediaType}\r\n\r\n`,
  )
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`)
  const text = 'text' in file ? Buffer.from(file.text) : null
  const sizeBytes = 'path' in file ? (await stat(file.path)).size : text!.length
  async function* bytes(): AsyncGenerator<Buffer> {
    yield head
    if (text !== null) yield text
    else if ('path' in file) yield* firstOf(file.path, sizeBytes)
    yield tail
  }
  return {
    headers: {
      'content-type': `multipart/form-data; boundary=${boundary}`,
      'content-length': String(head.length + sizeBytes + tail.length),
    },
    body: Readable.from(bytes(), { objectMode: false }),
  }
}

/** The length is promised already: a file that grows meanwhile is cut there. */
async function* firstOf(file: string, sizeBytes: number): AsyncGenerator<Buffer> {
  if (sizeBytes === 0) return
  yield* createReadStream(file, { end: sizeBytes - 1, highWaterMark: 256 * 1024 })
}

/** As a browser writes it (HTML, "multipart/form-data encoding algorithm"). */
function escaped(name: string): string {
  return name.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}
