import { IDEMPOTENCY_KEY, type Operation } from './operation.ts'
import { refTo } from './schemas.ts'

/** The original's ingestion. */
export const INGESTION_OPERATIONS: readonly Operation[] = [
  {
    id: 'process',
    tag: 'Ingestion',
    method: 'POST',
    route: '/process',
    summary: "The original's ingestion call",
    description:
      'With `metadata.remote: true` it becomes a job; what is not for remote workers goes to the MoRAG server as it came.',
    headers: { 'Idempotency-Key': { description: IDEMPOTENCY_KEY } },
    body: {
      form: {
        type: 'object',
        properties: {
          file: { type: 'string', contentMediaType: 'application/octet-stream' },
          request_data: {
            type: 'string',
            contentMediaType: 'application/json',
            contentSchema: refTo('ProcessRequest'),
          },
        },
        required: ['file', 'request_data'],
      },
    },
    answer: 'Processed',
    errors: ['conflict', 'unsupported_media', 'no_space', 'bad_gateway'],
  },
  {
    id: 'ingestFile',
    tag: 'Ingestion',
    method: 'POST',
    route: '/ingest/file',
    summary: "The original's older ingestion call",
    description:
      'The same as form fields: with `remote` true it becomes a job. `source_type` is the content type. What has no place here is an option of the ingestion.',
    headers: { 'Idempotency-Key': { description: IDEMPOTENCY_KEY } },
    body: {
      form: {
        type: 'object',
        properties: {
          file: { type: 'string', contentMediaType: 'application/octet-stream' },
          remote: { type: 'boolean' },
          source_type: { type: 'string' },
          document_id: { type: 'string' },
          webhook_url: { type: 'string' },
          metadata: { type: 'string', contentMediaType: 'application/json' },
          replace_existing: { type: 'boolean' },
          chunk_size: { type: 'integer' },
          chunk_overlap: { type: 'integer' },
          chunking_strategy: { type: 'string' },
          language: { type: 'string' },
          'databases[]': { type: 'array', items: { type: 'string' } },
          request_data: {
            type: 'string',
            contentMediaType: 'application/json',
            description: 'The same names as JSON; they win.',
          },
        },
        required: ['file'],
      },
    },
    answer: 'Ingested',
    errors: ['conflict', 'unsupported_media', 'no_space', 'bad_gateway'],
  },
  {
    id: 'cancelTask',
    tag: 'Ingestion',
    method: 'DELETE',
    route: '/ingest/:task',
    summary: 'Cancel a task',
    description: 'All its jobs that have not completed.',
    answer: 'TaskCancelled',
    errors: ['conflict', 'bad_gateway'],
  },
  {
    id: 'getTask',
    tag: 'Ingestion',
    method: 'GET',
    route: '/status/:task',
    summary: "How far a task is, in the original's words",
    answer: 'Task',
    errors: ['bad_gateway'],
  },
  {
    id: 'ingestionCallback',
    tag: 'Ingestion',
    method: 'POST',
    route: '/ingestion/callbacks/:id/:token',
    summary: 'Where the MoRAG server says how an ingestion ended',
    description:
      'The address is made for one end of a job, and only the MoRAG server is told it. Takes what its versions send.',
    body: { json: 'IngestionCallback' },
    answer: 'IngestionCallbackTaken',
    errors: [],
  },
  {
    id: 'retryContinuation',
    tag: 'Ingestion',
    method: 'POST',
    route: '/remote-jobs/:id/continuation/retry',
    summary: "Do again what follows a job's end",
    description: 'Left out, `steps` are those that are not done.',
    body: { json: 'ContinuationRetry', isOptional: true },
    answer: 'ContinuationRetried',
    errors: ['conflict'],
  },
]
