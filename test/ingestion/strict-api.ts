import { createHash } from 'node:crypto'
import type { ReadForm } from './strict-forms.ts'

/** The versions of the original's server; `ingest-form` is the oldest, which read no `request_data`. */
export const VERSIONS = ['stages', 'process', 'ingest', 'ingest-form'] as const
export type Version = (typeof VERSIONS)[number]

/** A text that a server has been given, with all that it read of the request. */
export interface Given {
  version: Version
  filename: string
  text: string
  documentId: string
  replaces: boolean
  metadata: Record<string, unknown>
  /** What it would work by: chunking, language, databases. */
  options: Record<string, unknown>
  webhookUrl: string | null
}

export interface Reply {
  status: number
  body: unknown
}

export const refusal = (status: number, detail: unknown): Reply => ({ status, body: { detail } })
const missing = (...names: string[]): Reply =>
  refusal(
    422,
    names.map((name) => ({
      type: 'missing',
      loc: ['body', name],
      msg: 'Field required',
      input: null,
    })),
  )

type Json = Record<string, unknown>

/** What a version makes of the one request that ingests, or why it refuses it. */
export function readIngestion(version: Version, form: ReadForm | null): Given | Reply {
  switch (version) {
    case 'stages':
      return readChain(form)
    case 'process':
      return readProcess(form)
    case 'ingest':
      return readIngest(form)
    case 'ingest-form':
      return readIngestForm(form)
  }
}

/** `POST /api/v1/stages/chain` */
function readChain(form: ReadForm | null): Given | Reply {
  if (form?.fields['request'] === undefined) return missing('request')
  const request = json(form.fields['request'])
  if (request === null) return refusal(400, 'Invalid JSON request: Expecting value')
  const stages = [
    'markdown-conversion',
    'markdown-optimizer',
    'chunker',
    'fact-generator',
    'ingestor',
  ]
  const asked = request['stages']
  if (!Array.isArray(asked) || asked.some((stage) => !stages.includes(String(stage))))
    return refusal(400, 'Invalid JSON request: 1 validation error for StageChainRequest\nstages')
  if (form.file === null) return refusal(400, 'Either file upload or input_files must be provided')
  const wrong = unfitFile(form.file)
  if (wrong !== null) return refusal(500, `Stage chain execution failed: ${wrong}`)
  if (asked.join() !== 'chunker,fact-generator,ingestor')
    return refusal(500, 'Stage chain execution failed: No chunks.json file found')
  const configs = { ...record(request['global_config']), ...record(request['stage_configs']) }
  const { content, metadata } = frontMatter(form.file.bytes.toString('utf8'))
  const { url = null } = record(request['webhook_config']) as { url?: string | null }
  return {
    version: 'stages',
    filename: form.file.filename,
    text: content,
    documentId: textOf(metadata['document_id']) ?? '',
    replaces: false,
    metadata,
    options: {
      chunker: configs['chunker'],
      'fact-generator': configs['fact-generator'],
      ingestor: configs['ingestor'],
    },
    webhookUrl: url,
  }
}

/** `POST /api/v1/process` */
function readProcess(form: ReadForm | null): Given | Reply {
  if (form?.fields['request_data'] === undefined) return missing('request_data')
  const request = json(form.fields['request_data'])
  const mode = request?.['mode']
  if (request === null || !['convert', 'process', 'ingest'].includes(String(mode)))
    return refusal(400, 'Invalid request data: 1 validation error for UnifiedProcessRequest\nmode')
  if (!['file', 'url', 'batch'].includes(String(request['source_type'])))
    return refusal(400, 'Invalid request data: 1 validation error for UnifiedProcessRequest')
  if (form.file === null) return refusal(400, "File upload required for source_type='file'")
  const webhook = request['webhook_config']
  const unfit = unfitWebhook(webhook, mode === 'ingest')
  if (unfit !== null) return refusal(400, unfit)
  const wrong = unfitFile(form.file)
  if (wrong !== null) return failure(String(mode), wrong)
  if (mode !== 'ingest') return converted(String(mode), form.file)
  const options = record(request['processing_options'])
  return {
    version: 'process',
    filename: form.file.filename,
    text: form.file.bytes.toString('utf8'),
    documentId: textOf(request['document_id']) ?? generatedId(form.file),
    replaces: request['replace_existing'] === true,
    metadata: record(request['metadata']),
    options: {
      ...pick(options, ['language', 'chunking_strategy', 'chunk_size', 'chunk_overlap']),
      database_config: request['database_config'],
    },
    webhookUrl: String(record(webhook)['url']),
  }
}

function unfitWebhook(webhook: unknown, isNeeded: boolean): string | null {
  if (webhook === undefined || webhook === null)
    return isNeeded ? "Webhook configuration required for mode='ingest'" : null
  const isFit = typeof record(webhook)['url'] === 'string'
  return isFit ? null : 'Invalid request data: webhook_config.url'
}

function converted(mode: string, { filename, bytes }: NonNullable<ReadForm['file']>): Reply {
  const ending = endingOf(filename).slice(1)
  if (mode === 'convert' && !['pdf', 'doc', 'docx', 'txt', 'md', 'html', 'rtf'].includes(ending))
    return refusal(400, `Convert mode not supported for file type: ${ending}`)
  return {
    status: 200,
    body: { success: true, mode, content: bytes.toString('utf8'), metadata: {} },
  }
}

const failure = (mode: string, error_message: string): Reply => ({
  status: 200,
  body: { success: false, mode, error_message },
})

/** `POST /api/v1/ingest/file` with `request_data` */
function readIngest(form: ReadForm | null): Given | Reply {
  const { request_data: text } = form?.fields ?? {}
  const absent = [...(form?.file ? [] : ['file']), ...(text === undefined ? ['request_data'] : [])]
  if (!form?.file || text === undefined) return missing(...absent)
  const request = json(text)
  if (request === null) return refusal(400, 'Invalid JSON in request_data')
  return ingestion('ingest', form.file, request)
}

/** `POST /api/v1/ingest/file` with form fields alone */
function readIngestForm(form: ReadForm | null): Given | Reply {
  if (!form?.file) return missing('file')
  const { metadata, databases, chunk_size, chunk_overlap, replace_existing, ...texts } = form.fields
  const parsed = metadata === undefined ? {} : json(metadata)
  if (parsed === null) return refusal(400, 'Invalid JSON in metadata: Expecting value')
  for (const number of [chunk_size, chunk_overlap])
    if (number !== undefined && !/^\d+$/.test(number))
      return refusal(422, [{ type: 'int_parsing', loc: ['body', 'chunk_size'] }])
  return ingestion('ingest-form', form.file, {
    ...texts,
    metadata: parsed,
    replace_existing: replace_existing === 'true',
    ...(databases !== undefined && { databases: JSON.parse(databases) as unknown }),
    ...(chunk_size !== undefined && { chunk_size: Number(chunk_size) }),
    ...(chunk_overlap !== undefined && { chunk_overlap: Number(chunk_overlap) }),
  })
}

function ingestion(
  version: Version,
  file: NonNullable<ReadForm['file']>,
  request: Json,
): Given | Reply {
  const wrong = unfitFile(file)
  if (wrong !== null) return refusal(400, wrong)
  const { chunk_size: size, document_id: id, databases } = request
  if (typeof size === 'number' && (size < 500 || size > 16_000))
    return refusal(400, 'chunk_size must be between 500 and 16000 characters')
  if (typeof id === 'string' && !/^[a-zA-Z0-9_-]+$/.test(id))
    return refusal(
      400,
      'Document ID must contain only alphanumeric characters, hyphens, and underscores',
    )
  if (
    Array.isArray(databases) &&
    databases.some((one) => !['qdrant', 'neo4j'].includes(String(record(one)['type'])))
  )
    return refusal(400, 'Invalid request data: databases.0.type')
  const names = ['chunk_size', 'chunk_overlap', 'chunking_strategy', 'databases', 'language']
  return {
    version,
    filename: file.filename,
    text: file.bytes.toString('utf8'),
    documentId: typeof id === 'string' ? id : generatedId(file),
    replaces: request['replace_existing'] === true,
    metadata: record(request['metadata']),
    options: pick(request, names),
    webhookUrl: typeof request['webhook_url'] === 'string' ? request['webhook_url'] : null,
  }
}

/** As the original makes one up: from the file's name and its text. */
function generatedId({ filename, bytes }: NonNullable<ReadForm['file']>): string {
  const digest = createHash('sha256').update(bytes).digest('hex').slice(0, 8)
  return `${filename.replace(/[^A-Za-z0-9]/g, '_')}_${digest}`
}

/** As the original's `FileUploadHandler` has it. */
function unfitFile({ filename, mediaType }: NonNullable<ReadForm['file']>): string | null {
  const ending = endingOf(filename)
  const endings = '.pdf .txt .docx .doc .mp3 .wav .m4a .flac .mp4 .mov .html .md .rtf'.split(' ')
  if (!endings.includes(ending))
    return `File upload failed: File extension '${ending}' not allowed.`
  const isKnown =
    /^(audio|video|image)\/|^text\/(plain|markdown|html)$|^application\/(pdf|msword|rtf|vnd)/
  return isKnown.test(mediaType) || ending === '.md' || ending === '.mp3'
    ? null
    : `File upload failed: MIME type '${mediaType}' not allowed`
}

const endingOf = (filename: string): string => /\.[^.]+$/.exec(filename)?.[0].toLowerCase() ?? ''

/** As the stage `chunker` reads it: split at each `---` and new line, a line at its first colon. */
function frontMatter(markdown: string): { content: string; metadata: Json } {
  const parts = markdown.split('---\n')
  if (!markdown.startsWith('---\n') || parts.length < 3) return { content: markdown, metadata: {} }
  const pairs = parts[1]!
    .trim()
    .split('\n')
    .filter((line) => line.includes(':'))
    .map((line) => {
      const at = line.indexOf(':')
      const value = line.slice(at + 1).trim()
      return [line.slice(0, at).trim(), value.replace(/^["']+|["']+$/g, '')]
    })
  return { content: parts.slice(2).join('---\n'), metadata: Object.fromEntries(pairs) as Json }
}

function json(text: string): Json | null {
  try {
    const value = JSON.parse(text) as unknown
    return typeof value === 'object' && value !== null ? { ...value } : null
  } catch {
    return null
  }
}

function record(value: unknown): Json {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

function pick(all: Json, names: readonly string[]): Json {
  return Object.fromEntries(Object.entries(all).filter(([name]) => names.includes(name)))
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}
