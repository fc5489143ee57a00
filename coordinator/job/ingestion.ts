import { z } from 'zod'
import type { FromWire } from '../../shared/keys.ts'
import { opaque } from '../../shared/wire-fields.ts'
import { textOrNull, stored } from './fields.ts'

/** Where a job's end is reported. `auth_token` and `secret` stay with the coordinator. */
const storedWebhook = stored({
  url: z.string(),
  /** Sent as a Bearer token. */
  auth_token: textOrNull,
  /** Signs in place of the coordinator's own secret (`whsec_…`). */
  secret: textOrNull,
  /** Progress is reported there, too. */
  progress: z.boolean().default(false),
})
export type WebhookTarget = FromWire<z.output<typeof storedWebhook>>

/** A request of `POST /process`. */
export const storedIngestion = stored({
  /** `ingest`: the text goes into the MoRAG server. */
  mode: z.string(),
  /** Only the coordinator may process it. */
  local: z.boolean().default(false),
  source_type: z.string().default('file'),
  /** The client's media type (`text/plain`), if it gave one. */
  media_type: textOrNull,
  document_id: textOrNull,
  webhook: storedWebhook.nullable().default(null),
  /** The client's own, as it came. */
  metadata: opaque.default({}),
  processing_options: opaque.default({}),
  /** In the wire's keys: `database_config`, `replace_existing`, … */
  ingest_options: opaque.default({}),
})
export type Ingestion = FromWire<z.output<typeof storedIngestion>>
