import { z } from 'zod'
import { fromWire, toWire } from '../../shared/keys.ts'
import { resultRequest, type ResultRequest } from '../../shared/wire.ts'

/** A result or a failure on its way to the coordinator. */
export interface DeliveryRecord {
  jobId: string
  attempt: number
  result: ResultRequest
  /** Names of files that go before it: they lie in a folder beside it. */
  artifacts: string[]
}

const parcelFile = z.object({
  job_id: z.string(),
  attempt: z.int(),
  result: resultRequest,
  artifacts: z.array(z.string()).default([]),
})

/** A parcel as it is kept on disk. */
export function writeDelivery(outgoing: DeliveryRecord): string {
  return `${JSON.stringify(toWire(outgoing))}\n`
}

/** @throws when the text is no parcel. */
export function readDelivery(text: string): DeliveryRecord {
  return fromWire(parcelFile.parse(JSON.parse(text)))
}

/** A parcel in a log: never what is in it. */
export function deliveryName({ jobId, attempt, result }: DeliveryRecord): string {
  return `${result.success ? 'result' : 'failure'} of job ${jobId}, attempt ${attempt}`
}

const FILES = '.files'

/** The folder of a parcel's artifacts, beside its file. */
export function filesOf(file: string): string {
  return file.replace(/\.json$/, FILES)
}

/** Whether a name is that of such a folder. */
export function isFiles(name: string): boolean {
  return name.endsWith(FILES)
}
