import { z } from 'zod'
import { ingestionCallback } from '../../shared/wire-ingestion.ts'
import { emptyAnswer, type IngestAnswer } from '../job/continuation.ts'

/** How an ingestion that the server works on stands: done, failed with why, or neither yet (null). */
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

/** What `GET /api/v1/status/{task}` says: `pending`, `running`, `completed`, `failed` or `cancelled`, or Celery's words. */
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
 * What a server says when it calls back: `{task_id, status: SUCCESS | FAILURE, result}` of a task, or
 * `{type: stage_chain_completion, success}` of a chain. News of steps and stages in between are no end.
 */
export function outcomeOfCallback(api: string, payload: unknown): IngestOutcome {
  const said = ingestionCallback.safeParse(payload).data
  if (said === undefined) return null
  const why = said.error_message ?? 'it called back without a reason'
  if (said.type === 'stage_chain_completion')
    return said.success === true ? { answer: emptyAnswer(api) } : { failure: why }
  if (said.step !== undefined) return null
  if (said.status === 'SUCCESS') return outcomeOfResult(api, said.task_id ?? null, said.result)
  return said.status === 'FAILURE' ? { failure: why } : null
}

function outcomeOfResult(api: string, taskId: string | null, result: unknown): IngestOutcome {
  const told = facts.safeParse(result).data
  if (told?.success === false) return { failure: told.error_message ?? 'it gave no reason' }
  const found = foundIn(result)
  return {
    answer: {
      ...emptyAnswer(api),
      taskId,
      documentId: told?.document_id ?? null,
      chunksProcessed: told?.chunks_processed ?? found.chunks,
      totalTextLength: told?.total_text_length ?? null,
      databasesUsed: told?.databases_used ?? found.databases,
    },
  }
}

/** What a result's metadata say of it: the points in the index, and what each database took. */
function foundIn(result: unknown): { chunks: number | null; databases: string[] | null } {
  const { metadata } = withMetadata.safeParse(result).data ?? {}
  const databases = Object.keys(metadata?.ingestion_result?.database_results ?? {})
  const chunks = metadata?.vector_point_ids?.length ?? null
  return { chunks, databases: databases.length > 0 ? databases : null }
}
