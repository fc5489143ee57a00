import { z } from 'zod'
import { MINUTE } from '../../shared/duration.ts'
import { emptyAnswer } from '../job/continuation.ts'
import { databaseConfig, given } from './databases.ts'
import type { MoragApi } from './morag-api.ts'

const answered = z.looseObject({
  success: z.boolean().nullish(),
  task_id: z.string().nullish(),
  document_id: z.string().nullish(),
  error_message: z.string().nullish(),
})

/** `POST /api/v1/process`, mode `ingest`: a task that the server does by and by. It will not be without a webhook. */
export const PROCESS_API: MoragApi = {
  name: 'process',
  route: '/process',
  patienceMs: 15 * MINUTE,
  text: ({ text }) => text,
  fields({ documentId, metadata, options, callbackUrl }) {
    const request = {
      mode: 'ingest',
      source_type: 'file',
      content_type: 'document',
      document_id: documentId,
      replace_existing: options.replaceExisting,
      processing_options: {
        ...options.rest,
        ...given({
          language: options.language,
          chunking_strategy: options.chunkingStrategy,
          chunk_size: options.chunkSize,
          chunk_overlap: options.chunkOverlap,
        }),
      },
      ...given({ database_config: databaseConfig(options) }),
      webhook_config: { url: callbackUrl },
      metadata,
    }
    return { request_data: JSON.stringify(request) }
  },
  read(answer) {
    const { data = {} } = answered.safeParse(answer)
    if (data.success === false) return data.error_message ?? 'it gave no reason'
    if (data.task_id) return { answer: null, taskId: data.task_id }
    const told = { ...emptyAnswer('process'), documentId: data.document_id ?? null }
    return { answer: told, taskId: null }
  },
}
