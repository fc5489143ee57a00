import { Option, type Command } from 'commander'
import { timeOfDay } from '../../shared/time-of-day.ts'
import { wholeNumber } from '../../shared/settings.ts'
import { jobAnswer, removedAnswer, type JobSummary } from '../../shared/wire-answers.ts'
import { statusAnswer, STATUSES } from '../../shared/wire.ts'
import type { AdminClient } from '../admin/client.ts'
import { adminAction, forEach, type AdminFlags } from '../admin/command.ts'
import { jobTable, jobText, timeline, type JobDetail } from '../admin/job-text.ts'
import { jobsOf, routeOf } from '../admin/jobs-of.ts'

const EXAMPLES = `
Examples:
  morag-coordinator jobs list --status failed
  morag-coordinator jobs show 7bd29967-3e0d-827a-a213-a9643094cba2
  morag-coordinator jobs reassign 7bd29967-3e0d-827a-a213-a9643094cba2
  morag-coordinator jobs list --status failed --quiet |
    xargs morag-coordinator jobs retry
`

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
    .description('list, show, change and delete jobs of a running coordinator')
    .addHelpText('after', EXAMPLES)
  adminAction(
    jobs
      .command('list')
      .description('list the newest jobs')
      .addOption(new Option('--status <status>', 'only jobs with this status').choices(STATUSES))
      .option('--type <type>', 'only jobs of this content type')
      .option('--worker <id>', 'only jobs of this worker')
      .addOption(
        new Option('--limit <count>', 'number of jobs').argParser(wholeNumber(1, 1e6)).default(50),
      )
      .option('-q, --quiet', 'print IDs only'),
    list,
  )
  adminAction(
    jobs.command('show').argument('<job-id>').description('print all details of a job'),
    async (client, _flags: AdminFlags, jobId: string) => {
      const job = await detail(client, jobId)
      return { value: job, text: jobText(job, timeOfDay()) }
    },
  )
  adminAction(
    jobs.command('logs').argument('<job-id>').description('print the events of a job, in order'),
    async (client, _flags: AdminFlags, jobId: string) => {
      const job = await detail(client, jobId)
      const { attempts, continuation } = job
      return { value: { jobId, attempts, continuation }, text: timeline(job) }
    },
  )
  change(jobs, 'cancel', 'cancel pending or processing jobs')
  change(jobs, 'retry', 'queue ended jobs again')
  const reassign = change(jobs, 'reassign', 'take jobs from their worker and queue them again')
  reassign.option('--worker <id>', 'worker to reserve them for (default: any)')
  adminAction(
    jobs.command('delete').argument('<job-id...>').description('delete ended jobs and their files'),
    async (client, _flags: AdminFlags, ids: string[]) => {
      const value = await forEach(ids, (id) => client.ask('DELETE', routeOf(id), removedAnswer))
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
        client.ask('POST', `${routeOf(id)}/${name}`, statusAnswer, body),
      )
      return { value, text: value.map(({ jobId, status }) => `${jobId} ${status}\n`).join('') }
    },
  )
}

async function list(client: AdminClient, { status, type, worker, limit, quiet }: ListFlags) {
  const query = {
    ...(status !== undefined && { status }),
    ...(type !== undefined && { content_type: type }),
    ...(worker !== undefined && { worker_id: worker }),
  }
  const value: JobSummary[] = []
  for await (const job of jobsOf(client, query, limit)) value.push(job)
  const ids = value.map(({ jobId }) => `${jobId}\n`).join('')
  return { value, text: quiet === true ? ids : jobTable(value, timeOfDay()) }
}

async function detail(client: AdminClient, jobId: string): Promise<JobDetail> {
  return await client.ask('GET', routeOf(jobId), jobAnswer)
}
