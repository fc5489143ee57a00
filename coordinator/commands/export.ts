import { createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { addSettings } from '../../shared/setting-table.ts'
import { ADMIN } from '../settings.ts'
import type { Command } from 'commander'
import { AppError } from '../../shared/errors.ts'
import { toWire } from '../../shared/keys.ts'
import { jobAnswer, listAnswer, transcriptAnswer } from '../../shared/wire-answers.ts'
import { AdminClient } from '../admin/client.ts'
import { adminSettings } from '../admin/config.ts'

const EXAMPLES = `
Examples:
  morag-coordinator export > jobs.ndjson                    every job, one JSON object per line
  morag-coordinator export --results --output all.ndjson    with the transcripts
`

interface Flags {
  url: string
  apiKeyFile?: string
  output?: string
  results?: boolean
}

export function addExport(cli: Command): void {
  addSettings(cli.command('export'), ADMIN)
    .description('write every job of a running coordinator as lines of JSON, newest first')
    .option('--output <file>', 'where to (default: standard output)')
    .option('--results', 'with the transcripts of completed jobs')
    .addHelpText('after', EXAMPLES)
    .action(async (flags: Flags) => {
      const client = new AdminClient(adminSettings(flags))
      try {
        const out = flags.output === undefined ? process.stdout : createWriteStream(flags.output)
        await pipeline(lines(client, flags.results === true), out, { end: out !== process.stdout })
      } finally {
        await client.close()
      }
    })
}

async function* lines(client: AdminClient, withResults: boolean): AsyncIterable<string> {
  for (let cursor = ''; ;) {
    const after = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`
    const page = await client.ask('GET', `/remote-jobs/?limit=200${after}`, listAnswer)
    for (const { jobId } of page.jobs) {
      const line = await unlessGone(oneLine(client, jobId, withResults))
      if (line !== null) yield line
    }
    if (page.nextCursor === null) return
    cursor = page.nextCursor
  }
}

async function oneLine(client: AdminClient, jobId: string, withResult: boolean): Promise<string> {
  const path = `/remote-jobs/${encodeURIComponent(jobId)}`
  const job = await client.ask('GET', path, jobAnswer)
  const isDone = withResult && job.status === 'completed'
  const result = isDone ? await client.ask('GET', `${path}/result`, transcriptAnswer) : null
  return `${JSON.stringify(toWire(withResult ? { ...job, transcript: result } : job))}\n`
}

/** A job may be removed, or brought back, while the list is read. */
async function unlessGone<T>(asked: Promise<T>): Promise<T | null> {
  return await asked.catch((error: unknown) => {
    if (error instanceof AppError && ['not_found', 'conflict'].includes(error.code)) return null
    throw error
  })
}
