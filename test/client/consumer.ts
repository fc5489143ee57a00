import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'

/** Uses everything that the package exports. */
export const CONSUMER = `
import { MoragClient, MoragError } from 'morag-remote-conversion/client'
import type {
  CallOptions, Chunk, ClientOptions, CreatedJob, ErrorCode, Form, Job, JobStatus, JobSummary, ListQuery, ResultOf,
  ResultOptions, Segment, Source, StreamEvent, SubmitOptions, TaskOptions, TextSegment, Transcript, WaitOptions, Webhook, Word,
} from 'morag-remote-conversion/client'

const options: ClientOptions = { url: 'http://127.0.0.1:8000', apiKey: undefined }
const client = new MoragClient(options)
const task_options: TaskOptions = { language: 'de', vocabulary: ['Qdrant', { term: 'MoRAG' }], formats: ['srt'], of_a_converter: 1 }
const webhook: Webhook = { url: 'https://example.com' }
const submit: SubmitOptions & WaitOptions & ResultOptions & CallOptions = { task_options, webhook, priority: 1 }
const sources: Source[] = [new Uint8Array(1), new Blob([]), new URL('https://example.com'), 'talk.mp3', new Blob([]).stream()]
export async function main(): Promise<void> {
  const created: CreatedJob = await client.submit(sources[0]!, submit)
  const status: JobStatus = await client.wait(created.job_id)
  const state: 'pending' | 'processing' | 'completed' | 'failed' | 'timeout' | 'cancelled' = status.status
  const job: Job = await client.job(created.job_id)
  const outcome: string | null | undefined = job.attempts[0]?.outcome
  const transcript: Transcript = await client.result(created.job_id, 'json')
  const segment: Segment | undefined = transcript.segments?.[0]
  const word: Word | undefined = segment?.words?.[0]
  const chunks: Chunk[] = await client.result(created.job_id, 'chunks')
  const text: string = await client.transcribe('talk.mp3', 'srt')
  const form: Form = 'vtt'
  const other: ResultOf<'md'> = text
  const query: ListQuery = { status: 'failed' }
  for await (const one of client.list(query)) { const summary: JobSummary = one; void summary.filename.length }
  for await (const event of client.stream(created.job_id)) {
    const any: StreamEvent = event
    if (any.type === 'text') { const segments: TextSegment[] = any.segments; void segments[0]?.speaker }
  }
  try { await client.cancel(created.job_id) } catch (error) {
    if (error instanceof MoragError) { const code: ErrorCode | (string & {}) = error.code; void code.length }
  }
  // @ts-expect-error: there is no such form
  await client.result(created.job_id, 'docx')
  // @ts-expect-error: nothing is of any type
  const wrong: number = (await client.job('x')).source.filename
  void [state, outcome, word, chunks, form, other, wrong]
}
`

/** A strict project of one file; its folder. */
export function writeProject(folder: string, code: string, options: object): string {
  mkdirSync(folder)
  writeFileSync(path.join(folder, 'package.json'), '{"type": "module"}')
  writeFileSync(path.join(folder, 'main.ts'), code)
  const strict = { strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true }
  const compilerOptions = { ...strict, noEmit: true, skipLibCheck: false, ...options }
  writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions }))
  return folder
}
