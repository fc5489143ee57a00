import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { Busboy } from '@fastify/busboy'

/** A multipart form as FastAPI reads it. */
export interface ReadForm {
  fields: Record<string, string>
  file: { filename: string; mediaType: string; bytes: Buffer } | null
}

/** What is no form is an empty one, as FastAPI has it. */
export async function readForm(
  { headers }: Pick<IncomingMessage, 'headers'>,
  body: Buffer,
): Promise<ReadForm> {
  const type = headers['content-type'] ?? ''
  if (type.startsWith('application/x-www-form-urlencoded'))
    return { fields: Object.fromEntries(new URLSearchParams(body.toString())), file: null }
  if (!type.startsWith('multipart/form-data')) return { fields: {}, file: null }
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
