import type { Transcripts } from '../blobs/transcripts.ts'
import type { IngestionConfig } from '../config.ts'
import type { StepName } from '../job/continuation.ts'
import type { EndedJob } from '../job/job.ts'
import type { CallbackUrls } from './callback-url.ts'
import { ingestStep } from './ingest.ts'
import { isToBeIngested } from './ingest-options.ts'
import type { MoragClient } from './morag-client.ts'
import { OutputFolder } from './output-folder.ts'
import type { TryStep } from './step.ts'
import type { WebhookSender } from './webhook-sender.ts'
import { webhookOf } from './webhook-target.ts'
import { webhookStep } from './webhook.ts'

export interface StepsOptions {
  config: Pick<IngestionConfig, 'outputDir' | 'publicUrl'>
  transcripts: Transcripts
  morag: MoragClient | null
  callbacks: CallbackUrls
  sender: WebhookSender
  now: () => number
}

/** The steps that follow a job's end, in no order. */
export function stepsFor(
  job: EndedJob,
  { moragUrl, outputDir }: Pick<IngestionConfig, 'moragUrl' | 'outputDir'>,
): StepName[] {
  const steps: StepName[] = []
  if (webhookOf(job) !== null) steps.push('webhook')
  if (job.status !== 'completed') return steps
  if (moragUrl !== null && isToBeIngested(job)) steps.push('ingest')
  if (outputDir !== null) steps.push('folder')
  return steps
}

/** How each step is tried. A step from an earlier run whose setting is gone fails until the setting is back. */
export function trySteps(options: StepsOptions): Record<StepName, TryStep> {
  const { config, transcripts, morag, callbacks, sender, now } = options
  const folder = config.outputDir === null ? null : new OutputFolder(config.outputDir, transcripts)
  return {
    webhook: webhookStep({
      sender,
      now,
      summaryOf: async (job, mostChars) =>
        job.status === 'completed' ? await transcripts.summary(job, mostChars) : null,
    }),
    ingest:
      morag === null
        ? unset('There is no MoRAG server any more: set --morag-url.')
        : ingestStep({
            client: morag,
            transcripts,
            callbacks,
            isReachable: config.publicUrl !== null,
            now,
          }),
    folder:
      folder === null
        ? unset('There is no output folder any more: set --output-dir.')
        : async (job) => await folder.write(job),
  }
}

function unset(message: string): TryStep {
  return async () => ({ done: false, message, final: false, retryAfterMs: null })
}
