/** Where a job's end is reported. `authToken` and `secret` stay with the coordinator. */
export interface WebhookTarget {
  url: string
  /** Sent as a Bearer token. */
  authToken: string | null
  /** Signs in place of the coordinator's own secret (`whsec_…`). */
  secret: string | null
  /** Progress is reported there, too. */
  progress: boolean
}

/** A request of `POST /process`. */
export interface Ingestion {
  /** `ingest`: the text goes into the MoRAG server. */
  mode: string
  /** Only the coordinator may process it. */
  local: boolean
  sourceType: string
  /** The client's media type (`text/plain`), if it gave one. */
  mediaType: string | null
  documentId: string | null
  webhook: WebhookTarget | null
  /** The client's own, as it came. */
  metadata: Record<string, unknown>
  processingOptions: Record<string, unknown>
  /** In the wire's keys: `database_config`, `replace_existing`, … */
  ingestOptions: Record<string, unknown>
}
