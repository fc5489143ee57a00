import { z } from 'zod'
import { HOUR } from '../../shared/duration.ts'
import type { IngestAnswer } from '../job/continuation.ts'
import { emptyAnswer } from '../job/continuation.ts'
import { given, ingestorDatabases } from './databases.ts'
import { withFrontMatter } from './front-matter.ts'
import type { MoragApi } from './morag-api.ts'

const STAGES = ['chunker', 'fact-generator', 'ingestor']

const file = z.looseObject({ filename: z.string().nullish(), content: z.string().nullish() })
const stage = z.looseObject({
  stage_type: z.string().catch('?'),
  status: z.string().catch('?'),
  error_message: z.string().nullish().catch(null),
  output_files: z.array(file).catch([]),
  metadata: z
    .looseObject({ execution_time: z.number().catch(0), warnings: z.array(z.string()).catch([]) })
    .catch({ execution_time: 0, warnings: [] }),
})
const answered = z.looseObject({
  success: z.boolean(),
  stages_executed: z.array(stage).catch([]),
  failed_stage: z.string().nullish().catch(null),
})
/** What the stage `ingestor` writes. */
const ingested = z.looseObject({
  ingestion_results: z.looseObject({ chunks_ingested: z.int().nullish() }).catch({}),
  metadata: z.looseObject({ databases: z.array(z.string()).nullish() }).catch({}),
})

/**
 * `POST /api/v1/stages/chain`: answers when all stages are done, which takes minutes. The API has no place for a
 * document's metadata: they are the text's front matter, which the stage `chunker` reads.
 */
export const STAGES_API: MoragApi = {
  name: 'stages',
  route: '/stages/chain',
  patienceMs: 2 * HOUR,
  text: ({ text, documentId, metadata }) =>
    withFrontMatter(text, { document_id: documentId, ...metadata }),
  fields({ documentId, metadata, options, callbackUrl }) {
    const { chunkSize, chunkOverlap, chunkingStrategy, language, replaceExisting } = options
    const configs = {
      chunker: given({
        chunk_size: chunkSize,
        overlap: chunkOverlap,
        chunk_strategy: chunkingStrategy,
      }),
      'fact-generator': given({ language }),
      ingestor: { ...ingestorDatabases(options), overwrite_existing: replaceExisting },
    }
    const request = {
      stages: STAGES,
      global_config: {
        ...options.rest,
        ...given({ language }),
        document_id: documentId,
        replace_existing: replaceExisting,
        metadata,
      },
      stage_configs: configs,
      webhook_config: { url: callbackUrl },
      return_content: true,
    }
    return { request: JSON.stringify(request) }
  },
  read(answer) {
    const { data } = answered.safeParse(answer)
    if (data === undefined) return 'its answer is none of a stage chain'
    if (data.success) return { answer: answerOf(data.stages_executed), taskId: null }
    const failed = data.stages_executed.find(({ error_message: why }) => Boolean(why))
    const name = data.failed_stage ?? failed?.stage_type ?? 'a stage'
    return `${name}: ${failed?.error_message ?? 'it gave no reason'}`
  },
}

function answerOf(stages: readonly z.output<typeof stage>[]): IngestAnswer {
  const last = stages.findLast(({ stage_type: type }) => type === 'ingestor')
  const text = last?.output_files.find(({ content }) => Boolean(content))?.content
  const told = ingested.safeParse(parsed(text)).data
  return {
    ...emptyAnswer('stages'),
    chunksProcessed: told?.ingestion_results.chunks_ingested ?? null,
    databasesUsed: told?.metadata.databases ?? null,
    stages: stages.map((one) => ({
      stage: one.stage_type,
      status: one.status,
      seconds: one.metadata.execution_time,
    })),
    warnings: stages.flatMap(({ metadata }) => metadata.warnings).slice(0, 20),
  }
}

function parsed(text: string | null | undefined): unknown {
  try {
    return JSON.parse(text ?? '') as unknown
  } catch {
    return undefined
  }
}
