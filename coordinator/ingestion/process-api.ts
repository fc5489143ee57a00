import { z } from 'zod'
import { MINUTE } from '../../shared/duration.ts'
import { writeJson } from '../../shared/exact-json.ts'
import { opaque } from '../../shared/wire-fields.ts'
import { emptyAnswer } from '../job/continuation.ts'
import { databaseConfig, given } from './databases.ts'
import { endingOf, type MoragApi } from './morag-api.ts'

const PATH = '/api/v1/process'
/** Mode `convert` refuses all other files; mode `process` takes them. */
const CONVERTED = ['pdf', 'doc', 'docx', 'txt', 'md', 'html', 'rtf']

const processed = z.looseObject({
  success: z.boolean().nullish(),
  task_id: z.string().nullish(),
  document_id: z.string().nullish(),
  content: z.string().nullish(),
  metadata: opaque.nullish(),
  error_message: z.string().nullish(),
})

/** The server before the stages: one route, with a task for each text. A webhook is required. */
export const PROCESS_API: MoragApi = {
  name: 'process',
  ingestion: {
    path: PATH,
    timeoutMs: 15 * MINUTE,
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
      return { request_data: writeJson(request) }
    },
    read(answer) {
      const { data = {} } = processed.safeParse(answer)
      if (data.success === false) return data.error_message ?? 'it gave no reason'
      if (data.task_id) return { answer: null, taskId: data.task_id }
      const documentId = data.document_id ?? null
      return { answer: { ...emptyAnswer('process'), documentId }, taskId: null }
    },
  },
  conversion: {
    path: PATH,
    fields({ filename, contentType, documentId, metadata, processingOptions }) {
      const request = {
        mode: CONVERTED.includes(endingOf(filename)) ? 'convert' : 'process',
        content_type: contentType,
        // Without `replace_existing` a known document comes back as an empty text.
        ...(documentId !== null && { document_id: documentId, replace_existing: true }),
        source_type: 'file',
        metadata: { ...metadata, remote: false },
        processing_options: processingOptions,
      }
      return { request_data: writeJson(request) }
    },
    read: readProcessed,
  },
}

/** An answer with the text in `content`. These servers answer 200 to failures, too. */
export function readProcessed(answer: unknown): ReturnType<MoragApi['conversion']['read']> {
  const { data = {} } = processed.safeParse(answer)
  if (data.success === false) return data.error_message ?? 'it gave no reason'
  return typeof data.content === 'string'
    ? { content: data.content, metadata: data.metadata ?? {} }
    : null
}
