import path from 'node:path'
import { Command } from 'commander'
import { pino } from 'pino'
import { API_KEY_HOLDER } from '../../../coordinator/access/principal.ts'
import { assemble } from '../../../coordinator/assemble.ts'
import { MediaRoots } from '../../../coordinator/blobs/media-roots.ts'
import { receivedOf } from '../../../coordinator/blobs/transcript-work.ts'
import { addServeSettings, configOf } from '../../../coordinator/config.ts'
import { openStorage } from '../../../coordinator/open-storage.ts'

/** Our queue without HTTP. @param file the source of all jobs; its folder is the media root. */
export async function coordinatorQueue(dataDir: string, file: string) {
  const command = addServeSettings(new Command())
  command.parse(['--data-dir', dataDir, '--media-root', path.dirname(file)], { from: 'user' })
  const config = configOf(command.opts())
  const log = pino({ level: 'warn' })
  const storage = await openStorage(config, log)
  const roots = await MediaRoots.resolve(config.mediaRoots)
  const { intake, claims, attempts, views } = await assemble(config, log, storage, roots)
  const { signal } = new AbortController()
  const submission = { submittedBy: null, idempotencyKey: null }
  return {
    async cycle(n: number, workerId: string): Promise<void> {
      const request = {
        sourceFilePath: file,
        contentType: 'audio',
        ingestionTaskId: 'bench',
        taskOptions: {},
        priority: 0,
      }
      await intake.fromPath(request, submission)
      const claimId = `${workerId} ${n}`
      const wish = { workerId, claimId, contentTypes: ['audio'], maxJobs: 1, waitMs: 0, signal }
      const claimed = await claims.claim(wish, async (jobs) =>
        jobs.map((job) => views.claimed(job)),
      )
      for (const { jobId, leaseToken } of claimed) {
        const report = { success: true, content: 'A few words.', leaseToken }
        await attempts.finish(jobId, receivedOf(report), API_KEY_HOLDER)
      }
    },
    async close(): Promise<void> {
      await storage.close()
    },
  }
}
