import type { Job } from '../job/job.ts'
import { withoutSecrets } from '../job/task-options.ts'

/** How a text is to be ingested. What is null is the server's to decide. */
export interface IngestOptions {
  documentId: string | null
  replaceExisting: boolean
  chunkSize: number | null
  chunkOverlap: number | null
  chunkingStrategy: string | null
  language: string | null
  /** The newer servers' form: `{qdrant_url, collection_name, neo4j_uri, …}`. */
  databaseConfig: Record<string, unknown> | null
  /** The older servers' form: `[{type, hostname, database_name, …}]`, or names. */
  databases: readonly unknown[] | null
  /** The client's own. */
  metadata: Record<string, unknown>
  /** What else the client said of the processing. */
  rest: Record<string, unknown>
}

/** What has a place of its own in the requests to the servers. */
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
]

/** What a job's client asked of the ingestion, by `POST /process` or by the original's task options. */
export function ingestOptionsOf({
  ingestion,
  taskOptions,
}: Pick<Job, 'ingestion' | 'taskOptions'>): IngestOptions {
  const said = saidOf({ ingestion, taskOptions })
  const processing = ingestion?.processingOptions ?? withoutSecrets(taskOptions)
  return {
    documentId: ingestion?.documentId ?? textOf(said['document_id']),
    replaceExisting: isTrue(said['replace_existing']),
    chunkSize: numberOf(said['chunk_size']),
    chunkOverlap: numberOf(said['chunk_overlap']),
    chunkingStrategy: textOf(said['chunking_strategy']),
    language: textOf(said['language']),
    databaseConfig: recordOf(said['database_config']),
    databases: Array.isArray(said['databases']) ? said['databases'] : null,
    metadata: ingestion?.metadata ?? recordOf(said['metadata']) ?? {},
    rest: Object.fromEntries(Object.entries(processing).filter(([key]) => !PLACED.includes(key))),
  }
}

/** Whether a completed job's text is to be ingested; one that came without `POST /process` is, unless it says otherwise. */
export function isToBeIngested({
  ingestion,
  taskOptions,
}: Pick<Job, 'ingestion' | 'taskOptions'>): boolean {
  const { store_in_vector_db: store } = saidOf({ ingestion, taskOptions })
  if (store === false || store === 'false') return false
  return ingestion === null ? taskOptions['ingest'] !== false : ingestion.mode === 'ingest'
}

function saidOf({
  ingestion,
  taskOptions,
}: Pick<Job, 'ingestion' | 'taskOptions'>): Record<string, unknown> {
  return ingestion === null
    ? taskOptions
    : { ...ingestion.processingOptions, ...ingestion.ingestOptions }
}

/** Forms and old clients write numbers and truths as text. */
function numberOf(value: unknown): number | null {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  return typeof number === 'number' && Number.isInteger(number) ? number : null
}

function isTrue(value: unknown): boolean {
  return value === true || value === 'true'
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}

function recordOf(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null
}
