import { z } from 'zod'
import { MINUTE } from '../../shared/duration.ts'
import { writeJson } from '../../shared/exact-json.ts'
import { emptyAnswer } from '../job/continuation.ts'
import { databaseList, given } from './databases.ts'
import type { MoragApi } from './morag-api.ts'
import { readProcessed } from './process-api.ts'

const queued = z.looseObject({ task_id: z.string().nullish() })

/**
 * The oldest servers: a task for each text. The first of them read form fields, later ones `request_data`; each ignores
 * the other's, so both are sent.
 */
export const INGEST_API: MoragApi = {
  name: 'ingest',
  ingestion: {
    path: '/api/v1/ingest/file',
    timeoutMs: 15 * MINUTE,
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
        typeof value === 'object' ? writeJson(value) : String(value),
      ])
      return { ...Object.fromEntries(fields), request_data: writeJson(request) }
    },
    read(answer) {
      const { task_id: taskId } = queued.safeParse(answer).data ?? {}
      return taskId ? { answer: null, taskId } : { answer: emptyAnswer('ingest'), taskId: null }
    },
  },
  conversion: {
    path: '/process/file',
    fields: ({ contentType, metadata, processingOptions }) => ({
      content_type: contentType,
      options: writeJson({ ...processingOptions, metadata }),
    }),
    read: readProcessed,
  },
}
