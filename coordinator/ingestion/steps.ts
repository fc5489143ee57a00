import type { Transcripts } from '../files/transcripts.ts'
import type { AddressGuard } from './address-guard.ts'
import type { CallbackUrls } from './callback-url.ts'
import type { IngestionConfig } from './config.ts'
import type { StepName } from '../job/continuation.ts'
import { ingestStep } from './ingest.ts'
import type { MoragClient } from './morag-client.ts'
import { OutputFolder } from './output-folder.ts'
import type { TryStep } from './step.ts'
import { webhookStep } from './webhook.ts'

export interface StepsOptions {
  config: Pick<IngestionConfig, 'outputDir' | 'webhookProxy' | 'publicUrl'>
  transcripts: Transcripts
  morag: MoragClient | null
  callbacks: CallbackUrls
  guard: AddressGuard
  webhookSecret: string
  now: () => number
}

/** How each step is tried. One that an earlier run has planned waits until its setting is back. */
export function trySteps(options: StepsOptions): Record<StepName, TryStep> {
  const { config, transcripts, morag, callbacks, guard, webhookSecret, now } = options
  const folder = config.outputDir === null ? null : new OutputFolder(config.outputDir, transcripts)
  return {
    webhook: webhookStep({
      secret: webhookSecret,
      guard,
      proxy: config.webhookProxy,
      now,
      summaryOf: async (job, mostChars) =>
        job.status === 'completed' ? await transcripts.summary(job, mostChars) : null,
    }),
    ingest:
      morag === null
        ? without('There is no MoRAG server any more: set --morag-url.')
        : ingestStep({
            client: morag,
            transcripts,
            callbacks,
            isReachable: config.publicUrl !== null,
            now,
          }),
    folder:
      folder === null
        ? without('There is no output folder any more: set --output-dir.')
        : async (job) => await folder.write(job),
  }
}

function without(message: string): TryStep {
  return async () => ({ done: false, message, final: false, retryAfterMs: null })
}
