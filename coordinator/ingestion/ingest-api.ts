import { z } from 'zod'
import { MINUTE } from '../../shared/duration.ts'
import { emptyAnswer } from '../job/continuation.ts'
import { databaseList, given } from './databases.ts'
import type { MoragApi } from './morag-api.ts'

const answered = z.looseObject({ task_id: z.string().nullish() })

/**
 * `POST /api/v1/ingest/file`: a task that the server does by and by. The oldest servers read form fields, later ones
 * `request_data`; each passes over what is not its own, so both are sent.
 */
export const INGEST_API: MoragApi = {
  name: 'ingest',
  route: '/ingest/file',
  patienceMs: 15 * MINUTE,
  text: ({ text }) => text,
  fields({ documentId, metadata, options, callbackUrl }) {
    const request = {
      source_type: 'document',
      document_id: documentId,
      replace_existing: options.replaceExisting,
      webhook_url: callbackUrl,
      metadata,
      ...given({
        chunk_size: options.chunkSize,
        chunk_overlap: options.chunkOverlap,
        chunking_strategy: options.chunkingStrategy,
        language: options.language,
        databases: databaseList(options),
        database_config: options.databaseConfig,
      }),
    }
    const fields = Object.entries(request).map(([name, value]) => [
      name,
      typeof value === 'object' ? JSON.stringify(value) : String(value),
    ])
    return { ...Object.fromEntries(fields), request_data: JSON.stringify(request) }
  },
  read(answer) {
    const { task_id: taskId } = answered.safeParse(answer).data ?? {}
    return taskId ? { answer: null, taskId } : { answer: emptyAnswer('ingest'), taskId: null }
  },
}
