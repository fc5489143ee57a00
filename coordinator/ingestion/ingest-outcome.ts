import { z } from 'zod'
import { ingestionCallback } from '../../shared/wire-ingestion.ts'
import { emptyAnswer, type IngestAnswer } from '../job/continuation.ts'

/** A task's outcome: done, failed, or null while the server works on it. */
export type IngestOutcome = { answer: IngestAnswer } | { failure: string } | null

const list = z.array(z.unknown()).nullish().catch(null)
const facts = z.looseObject({
  chunks_processed: z.int().nullish().catch(null),
  total_text_length: z.int().nullish().catch(null),
  databases_used: z.array(z.string()).nullish().catch(null),
  document_id: z.string().nullish().catch(null),
  error_message: z.string().nullish().catch(null),
  success: z.boolean().nullish().catch(null),
})
const withMetadata = z.looseObject({
  metadata: z
    .looseObject({
      vector_point_ids: list,
      ingestion_result: z
        .looseObject({ database_results: z.record(z.string(), z.unknown()).nullish().catch(null) })
        .nullish()
        .catch(null),
    })
    .nullish()
    .catch(null),
})

const status = z.looseObject({
  status: z.string(),
  result: z.unknown().optional(),
  error: z.unknown().optional(),
})

/** Reads `GET /api/v1/status/{task}`: `pending`, `running`, `completed`, `failed` or `cancelled`, or Celery's words. */
export function outcomeOfStatus(api: string, taskId: string, answer: unknown): IngestOutcome {
  const { status: word = '', result, error } = status.safeParse(answer).data ?? {}
  switch (word.toLowerCase()) {
    case 'completed':
    case 'success':
      return outcomeOfResult(api, taskId, result)
    case 'failed':
    case 'failure':
    case 'cancelled':
    case 'revoked':
      return { failure: typeof error === 'string' && error !== '' ? error : `its task ${word}` }
    default:
      return null
  }
}

/**
 * Reads a callback: `{task_id, status: SUCCESS | FAILURE, result}` of a task, or `{type: stage_chain_completion, success}`
 * of a chain. Progress messages, which have a `step`, are no end.
 */
export function outcomeOfCallback(api: string, payload: unknown): IngestOutcome {
  const message = ingestionCallback.safeParse(payload).data
  if (message === undefined) return null
  const why = message.error_message ?? 'it called back without a reason'
  if (message.type === 'stage_chain_completion')
    return message.success === true ? { answer: emptyAnswer(api) } : { failure: why }
  if (message.step !== undefined) return null
  if (message.status === 'SUCCESS')
    return outcomeOfResult(api, message.task_id ?? null, message.result)
  return message.status === 'FAILURE' ? { failure: why } : null
}

function outcomeOfResult(api: string, taskId: string | null, result: unknown): IngestOutcome {
  const known = facts.safeParse(result).data
  if (known?.success === false) return { failure: known.error_message ?? 'it gave no reason' }
  const found = foundIn(result)
  return {
    answer: {
      ...emptyAnswer(api),
      taskId,
      documentId: known?.document_id ?? null,
      chunksProcessed: known?.chunks_processed ?? found.chunks,
      totalTextLength: known?.total_text_length ?? null,
      databasesUsed: known?.databases_used ?? found.databases,
    },
  }
}

/** The points in the index and the databases, from a result's metadata. */
function foundIn(result: unknown): { chunks: number | null; databases: string[] | null } {
  const { metadata } = withMetadata.safeParse(result).data ?? {}
  const databases = Object.keys(metadata?.ingestion_result?.database_results ?? {})
  const chunks = metadata?.vector_point_ids?.length ?? null
  return { chunks, databases: databases.length > 0 ? databases : null }
}
