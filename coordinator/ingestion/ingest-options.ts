import { isTrue } from '../../shared/wire-fields.ts'
import type { Job } from '../job/job.ts'
import { withoutSecrets } from '../job/task-options.ts'

/** What a job's client asks for. */
export type Asked = Pick<Job, 'ingestion' | 'taskOptions'>

/** How a text is to be ingested; null leaves it to the server. */
export interface IngestOptions {
  documentId: string | null
  replaceExisting: boolean
  chunkSize: number | null
  chunkOverlap: number | null
  chunkingStrategy: string | null
  /** The text is sent in chunks of our own. */
  asChunks: boolean
  language: string | null
  /** The newer servers' form: `{qdrant_url, collection_name, neo4j_uri, …}`. */
  databaseConfig: Record<string, unknown> | null
  /** The older servers' form: `[{type, hostname, database_name, …}]`, or names. */
  databases: readonly unknown[] | null
  /** The client's own. */
  metadata: Record<string, unknown>
  rest: Record<string, unknown>
}

/** Options with a field of their own in the requests to the servers. */
const PLACED = [
  'document_id',
  'replace_existing',
  'chunk_size',
  'chunk_overlap',
  'chunking_strategy',
  'language',
  'database_config',
  'databases',
  'metadata',
  'store_in_vector_db',
  'webhook_url',
  'webhook_config',
  'remote',
  'ingest',
  'ingest_as',
]

/** The ingestion options of a job, from `POST /process` or from the original's task options. */
export function ingestOptionsOf({ ingestion, taskOptions }: Asked): IngestOptions {
  const asked = askedOf({ ingestion, taskOptions })
  const processing = ingestion?.processingOptions ?? withoutSecrets(taskOptions)
  return {
    documentId: ingestion?.documentId ?? textOf(asked['document_id']),
    replaceExisting: isTrue(asked['replace_existing']),
    chunkSize: numberOf(asked['chunk_size']),
    chunkOverlap: numberOf(asked['chunk_overlap']),
    chunkingStrategy: textOf(asked['chunking_strategy']),
    asChunks: asked['ingest_as'] === 'chunks',
    language: textOf(asked['language']),
    databaseConfig: recordOf(asked['database_config']),
    databases: Array.isArray(asked['databases']) ? asked['databases'] : null,
    metadata: ingestion?.metadata ?? recordOf(asked['metadata']) ?? {},
    rest: Object.fromEntries(Object.entries(processing).filter(([key]) => !PLACED.includes(key))),
  }
}

/** Whether a completed job's text is ingested: by default also without `POST /process`. */
export function isToBeIngested({ ingestion, taskOptions }: Asked): boolean {
  const { store_in_vector_db: store } = askedOf({ ingestion, taskOptions })
  if (store === false || store === 'false') return false
  return ingestion === null ? taskOptions['ingest'] !== false : ingestion.mode === 'ingest'
}

function askedOf({ ingestion, taskOptions }: Asked): Record<string, unknown> {
  return ingestion === null
    ? taskOptions
    : { ...ingestion.processingOptions, ...ingestion.ingestOptions }
}

/** Forms and old clients write numbers as text. */
function numberOf(value: unknown): number | null {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  return typeof number === 'number' && Number.isInteger(number) ? number : null
}

export function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}

export function recordOf(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null
}
