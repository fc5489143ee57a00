/** Where the news of a job's end goes. `authToken` and `secret` stay with the coordinator. */
export interface WebhookTarget {
  url: string
  /** Sent as a Bearer token. */
  authToken: string | null
  /** Signs in place of the coordinator's own secret (`whsec_…`). */
  secret: string | null
}

/** What a client of `POST /process` asked for; what the pipeline after the conversion works with. */
export interface Ingestion {
  /** `ingest`: the text goes on into the MoRAG server; `convert` and others: the text is all that is wanted. */
  mode: string
  /** It is processed by the coordinator itself, and goes to no worker. */
  local: boolean
  sourceType: string
  /** What the client said that the file is, where that says more than the content type: `text/plain`. */
  mediaType: string | null
  documentId: string | null
  webhook: WebhookTarget | null
  /** The client's own, as it came. */
  metadata: Record<string, unknown>
  processingOptions: Record<string, unknown>
  /** How the text is to be ingested, in the wire's keys (`database_config`, `replace_existing`, …). */
  ingestOptions: Record<string, unknown>
}
