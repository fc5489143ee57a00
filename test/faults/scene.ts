import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { isAlive } from '../../scripts/process-tree.ts'
import {
  run,
  startCoordinator,
  type RunningCoordinator,
  type RunOptions,
  type Running,
} from '../../scripts/processes.ts'
import { CLIPS, ffmpeg } from '../agent/fixtures.ts'
import { LOOK_MS, TestClient, type Detail, type Status } from '../conversion-set-up.ts'
import { Proxy, type Passing } from './proxy.ts'

/** A suite that takes longer hangs. */
export const PATIENCE_MS = 240_000

/** Stopping processes, and looking at them through /proc. */
export const skip = process.platform === 'linux' ? false : 'looks at processes through /proc'

/** A coordinator that tests share: each has a {@link Lane} of its own to it. */
export class Scene {
  readonly folder: string
  readonly url: string
  readonly client: TestClient
  readonly #lanes: Lane[] = []
  #coordinator: RunningCoordinator

  private constructor(folder: string, coordinator: RunningCoordinator) {
    this.folder = folder
    this.#coordinator = coordinator
    this.url = coordinator.url
    this.client = new TestClient(this.url)
  }

  /** Everything is in a folder of its own. */
  static async open(options: RunOptions & { args?: readonly string[] } = {}): Promise<Scene> {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'morag-test-'))
    return new Scene(folder, await startCoordinator(path.join(folder, 'data'), folder, options))
  }

  get coordinator(): RunningCoordinator {
    return this.#coordinator
  }

  /** Kills the coordinator. */
  async kill(): Promise<void> {
    this.#coordinator.signal('SIGKILL')
    await this.#coordinator.ended
  }

  /** Starts the coordinator again, at the same address. */
  async comeBack(...args: readonly string[]): Promise<void> {
    this.#coordinator = await startCoordinator(path.join(this.folder, 'data'), this.folder, {
      args: [...args, '--port', new URL(this.url).port],
    })
  }

  /**
   * @param model what brings a lane's jobs to its agents: lanes with the same one share them.
   * @param host where its network begins.
   */
  async lane(name: string, model = name, host?: string): Promise<Lane> {
    const lane = new Lane(this, { name, model, proxy: await Proxy.open(this.url, host) })
    this.#lanes.push(lane)
    return lane
  }

  /** Ends what runs still, agents that a failed test has left among it, and then removes the folder. */
  async close(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.close()))
    await this.kill()
    await rm(this.folder, { recursive: true, force: true })
  }
}

/** A network of its own to the coordinator, the agents behind it, and the jobs that only they get. */
export class Lane {
  readonly name: string
  readonly proxy: Proxy
  readonly #model: string
  readonly #agents: Running[] = []
  #left = 0
  readonly #scene: Scene

  constructor(scene: Scene, { name, model, proxy }: { name: string; model: string; proxy: Proxy }) {
    this.#scene = scene
    this.name = name
    this.#model = model
    this.proxy = proxy
  }

  /** How its agents are started. */
  get usual(): string[] {
    return this.#flags(this.proxy.url)
  }

  #flags(url: string): string[] {
    const work = ['--worker-id', this.name, '--work-dir', path.join(this.#scene.folder, 'work')]
    const job = ['--model', this.#model, '--prefetch', '0']
    return ['start', '--url', url, ...work, ...job]
  }

  /**
   * An agent, with the work folder of the agent before it in this lane.
   * @param options.url another way to its proxy.
   */
  agent(
    flags: readonly string[],
    { url = this.proxy.url, ...options }: RunOptions & { url?: string } = {},
  ): Running {
    const agent = run('agent', [...this.#flags(url), ...flags], options)
    this.#agents.push(agent)
    this.#left += 1
    void agent.ended.then(() => (this.#left -= 1))
    return agent
  }

  /**
   * Resolves with the next request of that kind, from now on.
   * @throws when an agent ends before.
   */
  async next(kind: Passing['kind']): Promise<void> {
    const ends = this.#agents.map(async ({ ended }) => {
      await ended
      throw this.#noAgent()
    })
    await Promise.race([this.proxy.next((one) => one.kind === kind), ...ends])
  }

  /**
   * The job, once it has ended.
   * @throws when all its agents end before.
   */
  async ended(jobId: string): Promise<Detail> {
    for (let left = this.#left; ; left = this.#left) {
      const job = await this.#scene.client.detail(jobId).catch(() => null)
      if (job !== null && !['pending', 'processing'].includes(job.status)) return job
      if (left === 0 && this.#agents.length > 0) throw this.#noAgent()
      await delay(LOOK_MS)
    }
  }

  #noAgent(): Error {
    const lines = this.#agents.flatMap((agent) => agent.lines)
    return new Error(`no agent of ${this.name} is left:\n${lines.join('\n')}`)
  }

  async close(): Promise<void> {
    for (const agent of this.#agents) agent.signal('SIGKILL')
    await Promise.all(this.#agents.map(({ ended }) => ended))
    await this.proxy.goAway()
  }

  async upload(file: string, taskOptions: Record<string, unknown> = {}): Promise<string> {
    const form = new FormData()
    form.set('content_type', 'audio')
    form.set('task_options', JSON.stringify({ ...taskOptions, requires: { model: this.#model } }))
    form.set('file', new Blob([await readFile(file)]), path.basename(file))
    const url = `${this.#scene.url}/api/v1/remote-jobs/`
    const answer = await fetch(url, { method: 'POST', body: form })
    return ((await answer.json()) as Status).job_id
  }

  /** Hands a job to this lane's next agent at once, where neither a lease's end nor a wait is what is tested. */
  async hand(jobId: string): Promise<void> {
    await fetch(`${this.#scene.url}/api/v1/remote-jobs/${jobId}/reassign`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ worker_id: this.name }),
    })
  }

  /** The names of all files that its agents keep. */
  async files(): Promise<string[]> {
    const folder = path.join(this.#scene.folder, 'work', this.name)
    const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
    return entries.filter((entry) => entry.isFile()).map((entry) => entry.name)
  }
}

/** A recording of `times` two megabytes: some time on its way, little to convert. */
export async function makeRecording(folder: string, times = 1): Promise<string> {
  const file = path.join(folder, `talk-${times}.wav`)
  return await ffmpeg`-stream_loop ${times - 1} -i ${CLIPS.jfk.file} -ar 48000 -ac 2 ${file}`
}

/**
 * Resolves when none of these processes is there any more.
 * @throws when one is still there after a minute.
 */
export async function gone(pids: readonly number[]): Promise<void> {
  const limit = AbortSignal.timeout(60_000)
  while (pids.some(isAlive)) await delay(10, undefined, { signal: limit })
}
