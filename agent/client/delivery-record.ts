import { z } from 'zod'
import { fromWire, toWire, type FromWire } from '../../shared/keys.ts'
import { resultRequest } from '../../shared/wire.ts'

/** A result or a failure on its way to the coordinator. */
const deliveryFile = z.object({
  job_id: z.string(),
  attempt: z.int(),
  result: resultRequest,
  /** Names of files that are sent first; they lie in a folder beside it. */
  artifacts: z.array(z.string()).default([]),
})
export type DeliveryRecord = FromWire<z.output<typeof deliveryFile>>

export function writeDelivery(delivery: DeliveryRecord): string {
  return `${JSON.stringify(toWire(delivery))}\n`
}

/** @throws when the text is no delivery. */
export function readDelivery(text: string): DeliveryRecord {
  return fromWire(deliveryFile.parse(JSON.parse(text)))
}

/** For logs: without its content. */
export function deliveryName({ jobId, attempt, result }: DeliveryRecord): string {
  return `${result.success ? 'result' : 'failure'} of job ${jobId}, attempt ${attempt}`
}

const FILES = '.files'

/** The folder of a delivery's artifacts, beside its file. */
export function filesOf(file: string): string {
  return file.replace(/\.json$/, FILES)
}

export function isFiles(name: string): boolean {
  return name.endsWith(FILES)
}
