import { AppError } from '../../shared/errors.ts'
import { parseWire } from '../../shared/parse-wire.ts'
import { processRequest, type ProcessRequest } from '../../shared/wire-ingestion.ts'
import type { Ingestion } from '../job.ts'

/**
 * What the `request_data` of a form asks for.
 * @throws {AppError} `bad_request` with a sentence that names what does not fit.
 */
export function parseRequestData(text: string | null): ProcessRequest {
  if (text === null) throw bad("The form has no field 'request_data'.")
  let raw: unknown
  try {
    raw = JSON.parse(text)
  } catch (error) {
    throw bad("The field 'request_data' is not JSON.", error)
  }
  try {
    return parseWire(processRequest, raw, 'body')
  } catch (error) {
    if (!(error instanceof AppError) || error.problems === undefined) throw error
    const said = error.problems.map(({ loc, msg }) => `${loc.join('.')}: ${msg}`)
    throw bad(`The field 'request_data' does not fit: ${said.join('; ')}.`, error)
  }
}

/** Whether `request_data` asks for a remote worker; nonsense does not. It is told before all of it is checked. */
export function asksForRemote(text: string | null): boolean {
  try {
    const data = JSON.parse(text ?? '') as { remote?: unknown; metadata?: { remote?: unknown } }
    return [data.remote, data.metadata?.remote].some((value) => value === true || value === 'true')
  } catch {
    return false
  }
}

/** What the job remembers of a request. */
export function ingestionOf(request: ProcessRequest): Ingestion {
  const { mode, sourceType, documentId, webhookConfig, processingOptions } = request
  const { remote: _, ...metadata } = request.metadata
  return {
    mode,
    sourceType,
    documentId: documentId ?? null,
    webhook: webhookConfig
      ? {
          url: webhookConfig.url,
          authToken: webhookConfig.authToken ?? null,
          secret: webhookConfig.secret ?? null,
        }
      : null,
    metadata,
    processingOptions,
  }
}

export function bad(message: string, cause?: unknown): AppError {
  return new AppError('bad_request', message, { cause })
}
