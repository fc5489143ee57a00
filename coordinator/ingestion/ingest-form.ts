import { writeJson } from '../../shared/exact-json.ts'
import { isTrue } from '../../shared/wire-fields.ts'
import type { FormFields } from '../blobs/upload.ts'
import { recordOf } from './ingest-options.ts'
import { jsonIn } from './process-request.ts'

/** Fields of `POST /process`; all others go to its `processing_options`. */
const PLACED = [
  'mode',
  'source_type',
  'content_type',
  'document_id',
  'source_url',
  'webhook_url',
  'webhook_config',
  'metadata',
  'remote',
  'priority',
  'processing_options',
]
const JSON_OBJECTS = ['metadata', 'webhook_config', 'processing_options', 'database_config']

/**
 * A form of the original's older `POST /ingest/file` as the `request_data` of `POST /process`. It has the same names as
 * form fields, in a later version also in a field `request_data`, and the content type in `source_type`. Values are not
 * checked.
 */
export function requestDataIn(fields: FormFields): string {
  const text = fields.get('request_data')
  const request = text === null ? {} : recordOf(jsonIn(text))
  if (request === null) return text!
  const asked = { ...fieldsIn(fields), ...request }
  const { source_type, content_type, webhook_url, webhook_config, metadata } = asked
  const { mode, document_id, source_url, remote, priority, processing_options } = asked
  const others = Object.entries(asked).filter(([name]) => !PLACED.includes(name))
  return writeJson({
    mode: mode ?? 'ingest',
    source_type: 'file',
    content_type: content_type ?? (source_type === 'file' ? undefined : source_type),
    document_id,
    source_url,
    webhook_config: webhook_config ?? (webhook_url == null ? undefined : { url: webhook_url }),
    metadata,
    remote: remote === undefined ? undefined : isTrue(remote),
    priority,
    processing_options:
      recordOf(processing_options ?? {}) === null
        ? processing_options
        : { ...Object.fromEntries(others), ...(processing_options as object | null) },
  })
}

function fieldsIn(fields: FormFields): Record<string, unknown> {
  const found: [string, unknown][] = []
  for (const [key, values] of fields.entries()) {
    const name = key.replace(/\[\]$/, '')
    if (name === 'request_data') continue
    const read = values.map((value) => valueOf(name, value))
    found.push([name, key.endsWith('[]') || read.length > 1 ? read : read[0]])
  }
  return Object.fromEntries(found)
}

/** A field's text as a JSON value. */
function valueOf(name: string, text: string): unknown {
  if (JSON_OBJECTS.includes(name)) return recordOf(jsonIn(text)) ?? text
  if (name.startsWith('databases')) return jsonIn(text) ?? text
  if (name.startsWith('chunk_') && /^\d{1,9}$/.test(text)) return Number(text)
  if (name !== 'document_id' && /^(true|false)$/i.test(text)) return isTrue(text)
  return text
}
