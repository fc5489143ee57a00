import { parseBounded } from '../../shared/bounded-json.ts'
import { AppError } from '../../shared/errors.ts'
import { parseWire } from '../../shared/parse-wire.ts'
import { printable } from '../../shared/printable.ts'
import { isTrue } from '../../shared/wire-fields.ts'
import { processRequest, type ProcessRequest } from '../../shared/wire-ingestion.ts'
import type { Ingestion } from '../job/ingestion.ts'
import { given } from './databases.ts'

/**
 * Parses the `request_data` of a form that is to become a job.
 * @param where how error messages call it.
 * @throws {AppError} `bad_request` that names every problem.
 */
export function parseRequestData(text: string | null, where: string): ProcessRequest {
  if (text === null) throw bad("The form has no field 'request_data'.")
  const raw = jsonIn(text)
  if (raw === undefined) throw bad("The field 'request_data' is not JSON.")
  const request = fitting(raw, where)
  if (request.sourceType !== 'file' && (request.sourceUrl ?? null) === null) {
    const given = printable(request.sourceType)
    throw bad(`Files are taken here: source_type is '${given}', and has to be 'file'.`)
  }
  return request
}

/** Whether `request_data` asks for a remote worker; it need not be valid. */
export function asksForRemote(text: string | null): boolean {
  const data = unchecked(text)
  return isTrue(data.remote) || isTrue(data.metadata?.remote)
}

/** The content type in `request_data`, or null; it need not be valid. */
export function contentTypeIn(text: string | null): string | null {
  const { content_type: type } = unchecked(text)
  return typeof type === 'string' ? type : null
}

/** The part of a request that its job keeps. @param local only the coordinator may process it. */
export function ingestionOf(request: ProcessRequest, local: boolean): Ingestion {
  const { mode, sourceType, documentId, webhookConfig, processingOptions } = request
  const { remote: _, ...metadata } = request.metadata
  return {
    mode,
    local,
    sourceType,
    mediaType: request.contentType?.includes('/') ? request.contentType : null,
    documentId: documentId ?? null,
    webhook: webhookConfig
      ? {
          url: webhookConfig.url,
          authToken: webhookConfig.authToken ?? null,
          secret: webhookConfig.secret ?? null,
          progress: webhookConfig.progress ?? false,
        }
      : null,
    metadata,
    processingOptions,
    ingestOptions: given({
      replace_existing: request.replaceExisting,
      store_in_vector_db: request.storeInVectorDb,
      database_config: request.databaseConfig,
      databases: request.databases,
      chunk_size: request.chunkSize,
      chunk_overlap: request.chunkOverlap,
      chunking_strategy: request.chunkingStrategy,
      language: request.language,
    }),
  }
}

interface Unchecked {
  remote?: unknown
  content_type?: unknown
  metadata?: { remote?: unknown } | null
}

function unchecked(text: string | null): Unchecked {
  const raw = text === null ? undefined : jsonIn(text)
  return typeof raw === 'object' && raw !== null ? raw : {}
}

/** A client's JSON; undefined when it is none. */
export function jsonIn(text: string): unknown {
  try {
    return parseBounded(text)
  } catch {
    return undefined
  }
}

function fitting(raw: unknown, where: string): ProcessRequest {
  try {
    return parseWire(processRequest, raw, 'body')
  } catch (error) {
    if (!(error instanceof AppError) || error.problems === undefined) throw error
    const problems = error.problems.map(({ loc, msg }) => `${loc.slice(1).join('.')}: ${msg}`)
    throw bad(`${where} does not fit: ${problems.join('; ')}.`, error)
  }
}

export function bad(message: string, cause?: unknown): AppError {
  return new AppError('bad_request', message, { cause })
}
