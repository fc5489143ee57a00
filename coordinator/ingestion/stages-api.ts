import { z } from 'zod'
import { tryJson } from '../../shared/body-text.ts'
import { HOUR } from '../../shared/duration.ts'
import { writeJson } from '../../shared/exact-json.ts'
import { emptyAnswer, type IngestAnswer } from '../job/continuation.ts'
import { given, ingestorDatabases } from './databases.ts'
import type { MoragApi } from './morag-api.ts'

const CONVERSION = 'markdown-conversion'
const STAGES = ['chunker', 'fact-generator', 'ingestor']

const file = z.looseObject({ filename: z.string().nullish(), content: z.string().nullish() })
const executed = z.looseObject({
  success: z.boolean().catch(false),
  stage_type: z.string().catch('?'),
  status: z.string().catch('?'),
  error_message: z.string().nullish().catch(null),
  output_files: z.array(file).catch([]),
  metadata: z
    .looseObject({ execution_time: z.number().catch(0), warnings: z.array(z.string()).catch([]) })
    .catch({ execution_time: 0, warnings: [] }),
})
const chain = z.looseObject({
  success: z.boolean(),
  stages_executed: z.array(executed).catch([]),
  failed_stage: z.string().nullish().catch(null),
})
/** The file that the stage `ingestor` writes. */
const ingestorOutput = z.looseObject({
  ingestion_results: z.looseObject({ chunks_ingested: z.int().nullish() }).catch({}),
  metadata: z.looseObject({ databases: z.array(z.string()).nullish() }).catch({}),
})

/**
 * The newest server. `POST /api/v1/stages/chain` answers when all stages are done, which takes minutes. It has no field for
 * a document's metadata: they are the text's front matter, which the stage `chunker` reads.
 */
export const STAGES_API: MoragApi = {
  name: 'stages',
  ingestion: {
    path: '/api/v1/stages/chain',
    timeoutMs: 2 * HOUR,
    text: ({ text, documentId, metadata }) =>
      withFrontMatter(text, { document_id: documentId, ...metadata }),
    fields({ documentId, metadata, options, callbackUrl }) {
      const { chunkSize, chunkOverlap, chunkingStrategy, language, replaceExisting } = options
      const request = {
        stages: STAGES,
        global_config: {
          ...options.rest,
          ...given({ language }),
          document_id: documentId,
          replace_existing: replaceExisting,
          metadata,
        },
        stage_configs: {
          chunker: given({
            chunk_size: chunkSize,
            overlap: chunkOverlap,
            chunk_strategy: chunkingStrategy,
          }),
          'fact-generator': given({ language }),
          ingestor: { ...ingestorDatabases(options), overwrite_existing: replaceExisting },
        },
        webhook_config: { url: callbackUrl },
        return_content: true,
      }
      return { request: writeJson(request) }
    },
    read(answer) {
      const { data } = chain.safeParse(answer)
      if (data === undefined) return 'its answer is none of a stage chain'
      if (data.success) return { answer: answerOf(data.stages_executed), taskId: null }
      const failed = data.stages_executed.find(({ error_message: why }) => Boolean(why))
      const name = data.failed_stage ?? failed?.stage_type ?? 'a stage'
      return `${name}: ${failed?.error_message ?? 'it gave no reason'}`
    },
  },
  conversion: {
    path: `/api/v1/stages/${CONVERSION}/execute`,
    fields({ processingOptions: options }) {
      // The stage reads what stands below its name; the guide of its clients has the options at the top.
      const config = writeJson({ ...options, [CONVERSION]: options })
      return { config, return_content: 'true' }
    },
    read(answer) {
      const { data } = executed.safeParse(answer)
      if (data === undefined) return null
      if (!data.success) return data.error_message ?? 'it gave no reason'
      const content = data.output_files.find((one) => typeof one.content === 'string')?.content
      const { execution_time, warnings } = data.metadata
      return typeof content === 'string'
        ? { content, metadata: { execution_time, warnings } }
        : null
    },
  },
}

function answerOf(stages: readonly z.output<typeof executed>[]): IngestAnswer {
  const last = stages.findLast(({ stage_type: type }) => type === 'ingestor')
  const text = last?.output_files.find(({ content }) => Boolean(content))?.content
  const output = ingestorOutput.safeParse(tryJson(text ?? '')).data
  return {
    ...emptyAnswer('stages'),
    chunksProcessed: output?.ingestion_results.chunks_ingested ?? null,
    databasesUsed: output?.metadata.databases ?? null,
    stages: stages.map((one) => ({
      stage: one.stage_type,
      status: one.status,
      seconds: one.metadata.execution_time,
    })),
    warnings: [...new Set(stages.flatMap(({ metadata }) => metadata.warnings))].slice(0, 20),
  }
}

/**
 * A text after its metadata in the form that the stage `chunker` reads: `---`, lines of `key: "value"`, `---`. The stage
 * splits a line at its first colon, and takes `---` at the end of any line for the end, so every value is JSON text.
 */
function withFrontMatter(text: string, metadata: Readonly<Record<string, unknown>>): string {
  const lines = Object.entries(metadata).flatMap(([key, value]) =>
    value === undefined || value === null ? [] : [`${keyOf(key)}: ${valueOf(value)}\n`],
  )
  return lines.length === 0 ? text : `---\n${lines.join('')}---\n${text}`
}

function keyOf(key: string): string {
  return key.replace(/[^\p{L}\p{N}_.-]+/gu, '_').replace(/-+$/, '') || '_'
}

function valueOf(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return `"${text.replace(/[\r\n\u0085\u2028\u2029]+/g, ' ')}"`
}
