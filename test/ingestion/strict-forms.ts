import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { Busboy } from '@fastify/busboy'

/** A multipart form as FastAPI reads it. */
export interface ReadForm {
  fields: Record<string, string>
  file: { filename: string; mediaType: string; bytes: Buffer } | null
}

/** @returns null for what is no form. */
export async function readForm(
  { headers }: Pick<IncomingMessage, 'headers'>,
  body: Buffer,
): Promise<ReadForm | null> {
  const type = headers['content-type'] ?? ''
  if (!type.startsWith('multipart/form-data')) return null
  const form = new Busboy({ headers: { ...headers, 'content-type': type } })
  const read: ReadForm = { fields: {}, file: null }
  form.on('field', (name, value) => {
    read.fields[name] = value
  })
  form.on('file', (name, stream, filename, _, mediaType) => {
    const chunks: Buffer[] = []
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('end', () => {
      if (name === 'file') read.file = { filename, mediaType, bytes: Buffer.concat(chunks) }
    })
  })
  form.end(body)
  await once(form, 'finish')
  return read
}
