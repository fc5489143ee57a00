import { Option, type Command } from 'commander'
import { timeOfDay } from '../../shared/time-of-day.ts'
import { wholeNumber } from '../../shared/settings.ts'
import { jobAnswer, listAnswer, removedAnswer, type JobSummary } from '../../shared/wire-answers.ts'
import { statusAnswer, STATUSES } from '../../shared/wire.ts'
import type { AdminClient } from '../admin/client.ts'
import { adminAction, forEach, type AdminFlags } from '../admin/command.ts'
import { jobTable, jobText, timeline, type JobDetail } from '../admin/job-text.ts'

const EXAMPLES = `
Examples:
  morag-coordinator jobs list --status failed
  morag-coordinator jobs show 7bd29967-3e0d-827a-a213-a9643094cba2
  morag-coordinator jobs retry $(morag-coordinator jobs list --status failed --quiet)
  morag-coordinator jobs reassign 7bd29967-3e0d-827a-a213-a9643094cba2 --worker gpu-2
`

const PAGE = 200

interface ListFlags extends AdminFlags {
  status?: string
  type?: string
  worker?: string
  limit: number
  quiet?: boolean
}

export function addJobs(cli: Command): void {
  const jobs = cli
    .command('jobs')
    .description('look at jobs and do something about them, in a running coordinator')
    .addHelpText('after', EXAMPLES)
  adminAction(
    jobs
      .command('list')
      .description('the newest jobs')
      .addOption(new Option('--status <status>', 'only these').choices(STATUSES))
      .option('--type <type>', 'only of this content type')
      .option('--worker <id>', 'only those that this worker has or had')
      .addOption(
        new Option('--limit <count>', 'how many').argParser(wholeNumber(1, 1e6)).default(50),
      )
      .option('-q, --quiet', 'ids alone'),
    list,
  )
  adminAction(
    jobs.command('show').argument('<job-id>').description('everything about a job'),
    async (client, _flags: AdminFlags, jobId: string) => {
      const job = await detail(client, jobId)
      return { value: job, text: jobText(job, timeOfDay()) }
    },
  )
  adminAction(
    jobs.command('logs').argument('<job-id>').description('what has happened to a job, in order'),
    async (client, _flags: AdminFlags, jobId: string) => {
      const job = await detail(client, jobId)
      const { attempts, continuation } = job
      return { value: { jobId, attempts, continuation }, text: timeline(job) }
    },
  )
  change(jobs, 'cancel', 'stop jobs: they are not done, and not tried again')
  change(jobs, 'retry', 'let jobs that have ended be done again')
  const reassign = change(jobs, 'reassign', 'take jobs from who has them, for another worker')
  reassign.option('--worker <id>', 'which worker gets it first (default: any)')
  adminAction(
    jobs.command('delete').argument('<job-id...>').description('remove jobs that have ended'),
    async (client, _flags: AdminFlags, ids: string[]) => {
      const value = await forEach(ids, (id) => client.ask('DELETE', pathOf(id), removedAnswer))
      return { value, text: value.map(({ jobId }) => `${jobId} removed\n`).join('') }
    },
  )
}

function change(jobs: Command, name: 'cancel' | 'retry' | 'reassign', text: string): Command {
  const command = jobs.command(name).argument('<job-id...>').description(text)
  return adminAction(
    command,
    async (client, { worker }: AdminFlags & { worker?: string }, ids: string[]) => {
      const body = name === 'reassign' ? { workerId: worker ?? null } : {}
      const value = await forEach(ids, (id) =>
        client.ask('POST', `${pathOf(id)}/${name}`, statusAnswer, body),
      )
      return { value, text: value.map(({ jobId, status }) => `${jobId} ${status}\n`).join('') }
    },
  )
}

async function list(client: AdminClient, flags: ListFlags) {
  const found: JobSummary[] = []
  let cursor: string | null = null
  do {
    const query = new URLSearchParams()
    query.set('limit', String(Math.min(PAGE, flags.limit - found.length)))
    if (flags.status !== undefined) query.set('status', flags.status)
    if (flags.type !== undefined) query.set('content_type', flags.type)
    if (flags.worker !== undefined) query.set('worker_id', flags.worker)
    if (cursor !== null) query.set('cursor', cursor)
    const page: { jobs: JobSummary[]; nextCursor: string | null } = await client.ask(
      'GET',
      `/remote-jobs/?${query.toString()}`,
      listAnswer,
    )
    found.push(...page.jobs)
    cursor = page.nextCursor
  } while (cursor !== null && found.length < flags.limit)
  const ids = found.map(({ jobId }) => `${jobId}\n`).join('')
  return { value: found, text: flags.quiet === true ? ids : jobTable(found, timeOfDay()) }
}

async function detail(client: AdminClient, jobId: string): Promise<JobDetail> {
  return await client.ask('GET', pathOf(jobId), jobAnswer)
}

function pathOf(jobId: string): string {
  return `/remote-jobs/${encodeURIComponent(jobId)}`
}
