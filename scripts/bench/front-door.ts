import { openAsBlob } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { execa } from 'execa'
import { CLIPS } from '../../agent/selftest/clips.ts'
import { programCode, run, startCoordinator } from '../processes.ts'
import { median, type Measure } from './report.ts'

const ROUNDS = 9
const POLL_MS = 5
const [, { file: CLIP }] = CLIPS

/** What a client of `/v1/audio/transcriptions` waits for a clip of 7 seconds, beside the other ways to have it done. */
export async function frontDoor(folder: string): Promise<Measure[]> {
  const coordinator = await startCoordinator(path.join(folder, 'door'), folder, { built: true })
  const { url } = coordinator
  const work = ['--types', 'audio', '--work-dir', path.join(folder, 'work')]
  const agent = run('agent', ['start', '--url', url, ...work], { built: true })
  const ways = {
    submit: async () => {
      const args = [...programCode('agent', true), 'submit', CLIP, '--url', url, '--wait']
      await execa(process.execPath, args)
    },
    polled: async () => await polled(url),
    door: async () => {
      const form = new FormData()
      form.set('file', await openAsBlob(CLIP), 'clip.wav')
      const answer = await fetch(`${url}/v1/audio/transcriptions`, { method: 'POST', body: form })
      await answer.json()
    },
  }
  // The first job gets the models.
  await ways.door()
  const times: Record<keyof typeof ways, number[]> = { submit: [], polled: [], door: [] }
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const way of ['submit', 'polled', 'door'] as const) {
      const from = performance.now()
      await ways[way]()
      times[way].push(performance.now() - from)
    }
  }
  for (const program of [agent, coordinator]) {
    program.signal('SIGKILL')
    await program.ended
  }
  const [submit, job, door] = [times.submit, times.polled, times.door].map((all) => median(all))
  const ms = (value: number): string => `${value.toFixed(0)} ms`
  return [
    { name: '`submit --wait` (median)', value: ms(submit!) },
    { name: `POST /remote-jobs, asked every ${POLL_MS} ms (median)`, value: ms(job!) },
    { name: 'POST /v1/audio/transcriptions (median)', value: ms(door!) },
    { name: 'more than POST /remote-jobs', value: ms(door! - job!) },
    {
      name: 'more than `submit --wait`',
      value: ms(door! - submit!),
      promise: 'at most 50 ms',
      kept: door! - submit! <= 50,
    },
  ]
}

async function polled(url: string): Promise<void> {
  const form = new FormData()
  form.set('content_type', 'audio')
  form.set('file', await openAsBlob(CLIP), 'clip.wav')
  const jobs = `${url}/api/v1/remote-jobs`
  const answer = await fetch(`${jobs}/`, { method: 'POST', body: form })
  const { job_id: jobId } = (await answer.json()) as { job_id: string }
  for (;;) {
    const asked = await fetch(`${jobs}/${jobId}/status`)
    const { status } = (await asked.json()) as { status: string }
    if (status === 'completed') break
    if (!['pending', 'processing'].includes(status)) throw new Error(`job ${jobId} is ${status}`)
    await delay(POLL_MS)
  }
  await (await fetch(`${jobs}/${jobId}/result.json`)).text()
}
