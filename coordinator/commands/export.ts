import { createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import type { Command } from 'commander'
import { AppError } from '../../shared/errors.ts'
import { toWire } from '../../shared/keys.ts'
import { addSettings } from '../../shared/settings.ts'
import { jobAnswer, transcriptAnswer } from '../../shared/wire-answers.ts'
import type { AdminClient } from '../admin/client.ts'
import { withClient } from '../admin/command.ts'
import { jobsOf, routeOf } from '../admin/jobs-of.ts'
import { ADMIN } from '../settings.ts'

const EXAMPLES = `
Examples:
  morag-coordinator export > jobs.ndjson                    one JSON object per line and job
  morag-coordinator export --results --output all.ndjson    with transcripts
`

interface Flags {
  output?: string
  results?: boolean
}

export function addExport(cli: Command): void {
  addSettings(cli.command('export'), ADMIN)
    .description('export all jobs of a running coordinator as JSON lines, newest first')
    .option('--output <file>', 'file to write (default: standard output)')
    .option('--results', 'include the transcripts of completed jobs')
    .addHelpText('after', EXAMPLES)
    .action(async (flags: Flags) => {
      await withClient(flags, async (client) => {
        const out = flags.output === undefined ? process.stdout : createWriteStream(flags.output)
        await pipeline(lines(client, flags.results === true), out, { end: out !== process.stdout })
      })
    })
}

async function* lines(client: AdminClient, withResults: boolean): AsyncIterable<string> {
  for await (const { jobId } of jobsOf(client)) {
    try {
      yield await lineOf(client, jobId, withResults)
    } catch (error) {
      // Deleted or retried since it was listed.
      if (!(error instanceof AppError && ['not_found', 'conflict'].includes(error.code)))
        throw error
    }
  }
}

async function lineOf(client: AdminClient, jobId: string, withResult: boolean): Promise<string> {
  const route = routeOf(jobId)
  const job = await client.ask('GET', route, jobAnswer)
  if (!withResult) return `${JSON.stringify(toWire(job))}\n`
  const isCompleted = job.status === 'completed'
  const transcript = isCompleted
    ? await client.ask('GET', `${route}/result`, transcriptAnswer)
    : null
  return `${JSON.stringify(toWire({ ...job, transcript }))}\n`
}
