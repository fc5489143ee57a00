import { z } from 'zod'
import * as access from '../../shared/wire-access.ts'
import * as answers from '../../shared/wire-answers.ts'
import * as events from '../../shared/wire-events.ts'
import * as ingestion from '../../shared/wire-ingestion.ts'
import * as wire from '../../shared/wire.ts'

/** A JSON schema as the document has it. */
export type Schema = { [key: string]: unknown }

/** What requests are checked against, by name. */
const REQUESTS = {
  CreateJob: wire.createRequest,
  UploadFields: wire.uploadFields,
  Claim: wire.claimRequest,
  Heartbeat: wire.heartbeatRequest,
  Result: wire.resultRequest,
  Release: wire.releaseRequest,
  Reassign: wire.reassignRequest,
  Cleanup: wire.cleanupRequest,
  ContinuationRetry: ingestion.continuationRetryRequest,
  IngestionCallback: ingestion.ingestionCallback,
  ProcessRequest: ingestion.processRequest,
  Register: access.registerRequest,
  SignIn: access.sessionRequest,
} as const satisfies Record<string, z.ZodType>

/** What answers look like, by name. */
const ANSWERS = {
  Refusal: answers.refusalAnswer,
  CreatedJob: wire.createdAnswer,
  JobStatus: wire.statusAnswer,
  JobSummary: answers.jobSummary,
  JobList: answers.listAnswer,
  Job: answers.jobAnswer,
  Transcript: answers.transcriptAnswer,
  PolledJob: answers.pollAnswer,
  ClaimedJobs: wire.claimAnswer,
  HeartbeatOrders: wire.heartbeatAnswer,
  ResultTaken: wire.resultAnswer,
  Artifact: answers.artifactAnswer,
  Artifacts: answers.artifactsAnswer,
  Continuation: ingestion.continuationAnswer,
  ContinuationRetried: answers.continuationRetryAnswer,
  IngestionCallbackTaken: ingestion.ingestionCallbackAnswer,
  RemovedJob: answers.removedAnswer,
  RemovedWorker: answers.removedWorkerAnswer,
  CleanedUp: answers.cleanupAnswer,
  Worker: answers.workerAnswer,
  Workers: answers.workersAnswer,
  Processed: ingestion.processAnswer,
  Ingested: ingestion.ingestAnswer,
  Task: ingestion.taskAnswer,
  TaskCancelled: ingestion.taskCancelledAnswer,
  Registered: access.registerAnswer,
  Session: access.sessionAnswer,
  SessionEnded: access.sessionEndedAnswer,
  Health: answers.coordinatorHealth,
  Ready: answers.readyAnswer,
  SnapshotEvent: events.snapshotEvent,
  JobEvent: events.jobEvent,
  WorkerEvent: events.workerEvent,
  QueueEvent: events.queueEvent,
} as const satisfies Record<string, z.ZodType>

export type RequestName = keyof typeof REQUESTS
export type AnswerName = keyof typeof ANSWERS

/** All of them, each of which refers to the others. */
export function componentSchemas(): Record<string, Schema> {
  return { ...schemasOf(REQUESTS, 'input'), ...schemasOf(ANSWERS, 'output') }
}

export function refTo(name: RequestName | AnswerName): Schema {
  return { $ref: `#/components/schemas/${name}` }
}

/** The parameters of a query, one by one. */
export function queryParameters(query: z.ZodType): Schema[] {
  const { properties, required } = z.toJSONSchema(query, { io: 'input', override: tidy })
  return Object.entries(properties ?? {}).map(([name, schema]) => ({
    name,
    in: 'query',
    required: required?.includes(name) ?? false,
    schema,
  }))
}

function schemasOf(
  named: Readonly<Record<string, z.ZodType>>,
  io: 'input' | 'output',
): Record<string, Schema> {
  const registry = z.registry<{ id: string }>()
  for (const [id, schema] of Object.entries(named)) registry.add(schema, { id })
  const uri = (id: string): string => `#/components/schemas/${id}`
  const { schemas } = z.toJSONSchema(registry, { io, uri, override: tidy })
  for (const schema of Object.values<Schema>(schemas)) {
    // The document says both for all of them.
    delete schema['$schema']
    delete schema['$id']
  }
  return schemas
}

/** Leaves out what says nothing to a reader, and lets answers get keys in later versions. */
function tidy({ jsonSchema }: { jsonSchema: Schema }): void {
  if (jsonSchema['format'] === 'date-time') delete jsonSchema['pattern']
  if (jsonSchema['additionalProperties'] === false) delete jsonSchema['additionalProperties']
  if (jsonSchema['minimum'] === Number.MIN_SAFE_INTEGER) delete jsonSchema['minimum']
  if (jsonSchema['maximum'] === Number.MAX_SAFE_INTEGER) delete jsonSchema['maximum']
}
