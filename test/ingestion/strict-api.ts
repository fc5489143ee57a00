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
  headers?: Record<string, string>
}

export const refusal = (status: number, detail: unknown): Reply => ({ status, body: { detail } })
const problem = (type: string, name: string, msg: string): object => ({
  type,
  loc: ['body', name],
  msg,
  input: null,
})
/** The refusal of a form, field by field; null when it has none of these faults. */
function unfitForm(form: ReadForm, needed: readonly string[]): Reply | null {
  const problems = needed.flatMap((name) => {
    const isThere = name in form.fields || (name === 'file' && form.file !== null)
    return isThere ? [] : [problem('missing', name, 'Field required')]
  })
  if ('file' in form.fields) {
    const msg = "Value error, Expected UploadFile, received: <class 'str'>"
    problems.push(problem('value_error', 'file', msg))
  }
  return problems.length === 0 ? null : refusal(422, problems)
}

type Json = Record<string, unknown>

/** A file that a server was given to convert; its bytes, read as UTF-8, count as its text. */
export interface Converted {
  converted: {
    version: Version
    filename: string
    mediaType: string
    text: string
    options: Record<string, unknown>
  }
}

/** What a version makes of the one request that ingests, or why it refuses it. */
export function readIngestion(version: Version, form: ReadForm): Given | Converted | Reply {
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
function readChain(form: ReadForm): Given | Reply {
  const unfit = unfitForm(form, ['request'])
  if (unfit !== null) return unfit
  const request = json(form.fields['request']!)
  if (request === null) return refusal(400, 'Invalid JSON request: Expecting value')
  const asked = request['stages']
  if (!Array.isArray(asked) || asked.some((stage) => !STAGES.includes(String(stage))))
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

const STAGES = 'markdown-conversion markdown-optimizer chunker fact-generator ingestor'.split(' ')

/** `POST /api/v1/stages/{name}/execute` */
export function readStage(name: string, form: ReadForm): Converted | Reply {
  const { config, return_content: wanted = 'false' } = form.fields
  const unfit = unfitForm(form, [])
  if (unfit !== null) return unfit
  const isWanted = truth(wanted)
  if (isWanted === null)
    return refusal(422, [problem('bool_parsing', 'return_content', NO_BOOLEAN)])
  if (!STAGES.includes(name)) return refusal(400, `Invalid stage name: ${name}. Valid stages: …`)
  const options = config ? json(config) : {}
  const failed = (why: string): Reply => refusal(500, `Stage '${name}' execution failed: ${why}`)
  if (options === null) return failed('Expecting value: line 1 column 1 (char 0)')
  if (form.file === null) return refusal(400, 'Either file upload or input_files must be provided')
  const wrong = unfitFile(form.file)
  if (wrong !== null) return failed(wrong)
  return converted('stages', form.file, { ...options, return_content: isWanted })
}

const NO_BOOLEAN = 'Input should be a valid boolean, unable to interpret input'

/** As pydantic reads it; null for what is none. */
function truth(text: string): boolean | null {
  if (/^(true|1|yes|on|t|y)$/i.test(text)) return true
  return /^(false|0|no|off|f|n)$/i.test(text) ? false : null
}

/** `POST /process/file` */
export function readProcessFile(form: ReadForm): Converted | Reply {
  const unfit = unfitForm(form, ['file'])
  if (unfit !== null) return unfit
  const { options = '{}', content_type: contentType } = form.fields
  if (json(options) === null) return refusal(400, 'Invalid JSON in options: Expecting value')
  const wrong = unfitFile(form.file!)
  if (wrong !== null) return refusal(400, wrong)
  return converted('ingest', form.file!, { ...json(options), content_type: contentType })
}

/** `POST /api/v1/process` */
function readProcess(form: ReadForm): Given | Converted | Reply {
  const missing = unfitForm(form, ['request_data'])
  if (missing !== null) return missing
  const request = json(form.fields['request_data']!)
  const mode = request?.['mode']
  if (request === null || !['convert', 'process', 'ingest'].includes(String(mode)))
    return refusal(400, 'Invalid request data: 1 validation error for UnifiedProcessRequest\nmode')
  if (!['file', 'url', 'batch'].includes(String(request['source_type'])))
    return refusal(400, 'Invalid request data: 1 validation error for UnifiedProcessRequest')
  if (form.file === null) return refusal(400, "File upload required for source_type='file'")
  const webhook = request['webhook_config']
  const unfitted = unfitWebhook(webhook, mode === 'ingest')
  if (unfitted !== null) return refusal(400, unfitted)
  const wrong = unfitFile(form.file)
  if (wrong !== null) return failure(String(mode), wrong)
  if (mode !== 'ingest') {
    const ending = endingOf(form.file.filename).slice(1)
    if (mode === 'convert' && !CONVERTED.includes(ending))
      return refusal(400, `Convert mode not supported for file type: ${ending}`)
    return converted('process', form.file, request)
  }
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

const CONVERTED = ['pdf', 'doc', 'docx', 'txt', 'md', 'html', 'rtf']

function converted(
  version: Version,
  { filename, mediaType, bytes }: NonNullable<ReadForm['file']>,
  options: Json,
): Converted {
  return { converted: { version, filename, mediaType, text: bytes.toString('utf8'), options } }
}

const failure = (mode: string, error_message: string): Reply => ({
  status: 200,
  body: { success: false, mode, error_message },
})

/** `POST /api/v1/ingest/file` with `request_data` */
function readIngest(form: ReadForm): Given | Reply {
  const unfit = unfitForm(form, ['file', 'request_data'])
  if (unfit !== null) return unfit
  const request = json(form.fields['request_data']!)
  if (request === null) return refusal(400, 'Invalid request data: Expecting value')
  return ingestion('ingest', form.file!, request)
}

const NO_INTEGER = 'Input should be a valid integer, unable to parse string as an integer'

/** `POST /api/v1/ingest/file` with form fields alone */
function readIngestForm(form: ReadForm): Given | Reply {
  const unfit = unfitForm(form, ['file'])
  if (unfit !== null) return unfit
  const { metadata, databases, chunk_size, chunk_overlap, replace_existing, ...texts } = form.fields
  const parsed = metadata === undefined ? {} : json(metadata)
  if (parsed === null) return refusal(400, 'Invalid JSON in metadata: Expecting value')
  const replaces = truth(replace_existing ?? 'false')
  const problems = [
    ...(replaces === null ? [problem('bool_parsing', 'replace_existing', NO_BOOLEAN)] : []),
    ...Object.entries({ chunk_size, chunk_overlap }).flatMap(([name, number]) =>
      number === undefined || /^-?\d+$/.test(number)
        ? []
        : [problem('int_parsing', name, NO_INTEGER)],
    ),
  ]
  if (problems.length > 0) return refusal(422, problems)
  return ingestion('ingest-form', form.file!, {
    ...texts,
    metadata: parsed,
    replace_existing: replaces,
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
  if (wrong !== null)
    return refusal(400, version === 'ingest' ? `File upload failed: ${wrong}` : wrong)
  const { chunk_size: size, chunk_overlap: overlap, document_id: id, databases } = request
  if (typeof size === 'number' && (size < 500 || size > 16_000))
    return refusal(400, 'chunk_size must be between 500 and 16000 characters')
  if (typeof overlap === 'number' && (overlap < 0 || overlap > 1000))
    return refusal(400, 'chunk_overlap must be between 0 and 1000 characters')
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

const MEDIA_TYPES: Record<string, readonly string[]> = {
  application: [
    'pdf',
    'msword',
    'rtf',
    'vnd.ms-powerpoint',
    'vnd.ms-excel',
    'vnd.openxmlformats-officedocument.wordprocessingml.document',
    'vnd.openxmlformats-officedocument.presentationml.presentation',
    'vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  ],
  text: ['plain', 'markdown', 'html'],
  audio: ['mpeg', 'wav', 'mp4', 'flac', 'ogg'],
  video: ['mp4', 'avi', 'quicktime', 'x-msvideo', 'x-matroska', 'webm'],
  image: ['jpeg', 'png', 'gif', 'bmp', 'tiff', 'webp'],
}
/** Endings that are taken, and whether what Python guesses for them is, too. */
const ENDINGS: Record<string, boolean> = {
  ...Object.fromEntries(
    'pdf txt doc ppt xls mp3 mp4 avi mov webm jpg jpeg png gif bmp tiff html htm md'
      .split(' ')
      .map((ending) => [ending, true]),
  ),
  ...Object.fromEntries(
    'docx pptx xlsx wav m4a flac ogg mkv webp rtf'.split(' ').map((ending) => [ending, false]),
  ),
}

/** The media type of a file that a server takes though the original does not. */
export const TAKEN = 'taken by this one'

/** As the original's `FileUploadHandler` has it. */
function unfitFile({ filename, mediaType }: NonNullable<ReadForm['file']>): string | null {
  if (mediaType === TAKEN) return null
  const ending = endingOf(filename)
  if (!Object.hasOwn(ENDINGS, ending.slice(1)))
    return `File extension '${ending}' not allowed. Allowed extensions: …`
  const [family, kind] = mediaType.split('/')
  const isKnown = MEDIA_TYPES[family!]?.includes(kind ?? '') === true
  return isKnown || ENDINGS[ending.slice(1)] === true
    ? null
    : `MIME type '${mediaType}' not allowed`
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
