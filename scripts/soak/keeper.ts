import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { changeIn } from '../../test/faults/history.ts'
import { residentMb } from '../process-tree.ts'
import { startCoordinator, type RunningCoordinator } from '../processes.ts'
import { starveOfDescriptors } from './descriptors.ts'
import type { Findings } from './findings.ts'
import { LOADER, moduleUrl } from '../node-script.ts'

const QUOTA = moduleUrl(new URL('./quota-preload.ts', import.meta.url))

export interface KeeperOptions {
  folder: string
  args: readonly string[]
  /** Of another checkout: an object. */
  built: boolean | { root: string }
}

/** Keeps a coordinator running on one port and one folder, kills it, looks at it, and keeps what it has logged. */
export class Keeper {
  readonly #options: KeeperOptions
  readonly #findings: Findings
  #running: RunningCoordinator | null = null
  #port = 0
  #run = 0
  #read = 0
  /** Whether this process has stood still: then its delays say nothing. */
  #hasPaused = false
  #isPaused = false

  constructor(options: KeeperOptions, findings: Findings) {
    this.#options = options
    this.#findings = findings
  }

  get port(): number {
    return this.#port
  }

  /** Whether it runs, and does not stand still. */
  get isThere(): boolean {
    return this.#running !== null && !this.#isPaused
  }

  async start(more: readonly string[] = []): Promise<void> {
    const { folder, args, built } = this.#options
    const port = this.#port === 0 ? [] : ['--port', String(this.#port)]
    this.#run = this.#findings.runs
    this.#findings.runs += 1
    this.#running = await startCoordinator(path.join(folder, 'data'), path.join(folder, 'media'), {
      args: [...args, ...more, ...port],
      built,
      env: { NODE_OPTIONS: [...LOADER, '--import', QUOTA].join(' ') },
    })
    this.#hasPaused = false
    this.#port = Number(new URL(this.#running.url).port)
    this.#read = 0
  }

  /** @param stopsForMs how long ago it got the signal to stop and began to close; null: it did not. */
  async kill(stopsForMs: number | null): Promise<void> {
    this.#findings.kills += 1
    if (stopsForMs !== null) {
      this.#running?.signal('SIGTERM')
      await delay(stopsForMs)
    }
    await this.#end('SIGKILL')
  }

  /** Lets it stand still, as a paused container or a virtual machine does. */
  async pause(ms: number): Promise<void> {
    this.#hasPaused = true
    this.#isPaused = true
    const from = Date.now()
    this.#running?.signal('SIGSTOP')
    const pause = { from, until: from + ms }
    this.#findings.pauses.push(pause)
    await delay(ms)
    this.#running?.signal('SIGCONT')
    pause.until = Date.now()
    this.#isPaused = false
  }

  /** Lets it open hardly any file or connection for a while; false where that cannot be. */
  async starve(ms: number): Promise<boolean> {
    return await starveOfDescriptors(this.#running?.pid ?? 0, this.#port, ms)
  }

  /** Lets it write nothing for a while. */
  async fillQuota(ms: number): Promise<void> {
    this.#running?.signal('SIGUSR2')
    await delay(ms)
    this.#running?.signal('SIGUSR2')
  }

  /** Ends it as an operator would; its exit code. */
  async stop(): Promise<number | undefined> {
    return await this.#end('SIGTERM')
  }

  /** What is under `/health`, asked of it directly; null while it is away. */
  async health(): Promise<Record<string, unknown> | null> {
    if (!this.isThere) return null
    const from = performance.now()
    const read = await this.#get('/health')
    if (read === null) return null
    if (!this.#hasPaused) this.#findings.healthMs.push(performance.now() - from)
    return JSON.parse(read) as Record<string, unknown>
  }

  /** Looks at it until `isOver`. */
  async watch(isOver: () => boolean): Promise<void> {
    const { memory, loopDelaysMs } = this.#findings
    let nextAt = 0
    while (!isOver()) {
      await this.health()
      if (Date.now() >= nextAt) {
        nextAt = Date.now() + 1_000
        const mb = residentMb(this.#running?.pid ?? 0)
        if (mb > 0) memory.push({ at: Date.now(), mb })
        this.#readLog()
        const metrics = (this.isThere && (await this.#get('/metrics'))) || ''
        const seconds = /^morag_event_loop_delay_seconds\{[^}]*0?\.99"\} (\S+)$/m.exec(metrics)?.[1]
        if (seconds !== undefined && !this.#hasPaused) loopDelaysMs.push(Number(seconds) * 1_000)
      }
      await delay(250)
    }
  }

  async #get(route: string): Promise<string | null> {
    try {
      const answer = await fetch(`http://127.0.0.1:${this.#port}/api/v1${route}`)
      const text = await answer.text()
      return answer.ok ? text : null
    } catch {
      return null
    }
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | undefined> {
    const running = this.#running
    if (running === null) return undefined
    this.#running = null
    running.signal(signal)
    const { exitCode } = await running.ended
    this.#readLines(running.lines)
    return exitCode
  }

  #readLog(): void {
    if (this.#running !== null) this.#readLines(this.#running.lines)
  }

  #readLines(lines: readonly string[]): void {
    const { log, errors } = this.#findings
    for (; this.#read < lines.length; this.#read += 1) {
      const line = lines[this.#read]!
      const change = changeIn(line, this.#run)
      if (change !== null) log.push(change)
      else if (/"level":[56]0/.test(line)) errors.push(line.slice(0, 500))
    }
  }
}
