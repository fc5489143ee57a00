import { z } from 'zod'
import type { News } from '../peers.ts'

const texts = z.array(z.string()).default([])
/** What is sent at a time, with its sender. Keys of other releases are ignored. */
const sent = z.object({
  from: z.string(),
  work: texts,
  jobs: texts,
  /** Of these jobs: those that wait for a slot. */
  waits: texts,
  workers: texts,
  /** Each after the time of its call. */
  claims: texts,
  tokens: z.boolean().default(false),
  all: z.boolean().default(false),
  /** To the sender itself: whether it hears. */
  proof: z.string().default(''),
})
type Sent = z.output<typeof sent>

/** PostgreSQL takes less than 8 000 bytes. */
const MOST_BYTES = 7_800
/** More than that in a row say: look at everything. */
const MOST_PAYLOADS = 4
/** With more the listeners rather look for what waits. */
const MOST_WORK = 8

/** News that are sent together. */
export class NewsBatch {
  readonly #work = new Set<string>()
  /** Each with whether it waits. */
  readonly #jobs = new Map<string, boolean>()
  readonly #workers = new Set<string>()
  readonly #claims = new Set<string>()
  #isTokens = false
  #isAll = false
  #isMuchWork = false

  add(news: News): void {
    switch (news.about) {
      case 'work':
        if (news.jobId === null) this.#isMuchWork = true
        else this.#work.add(news.jobId)
        return
      case 'job':
        return void this.#jobs.set(news.jobId, news.waits)
      case 'worker':
        return void this.#workers.add(news.workerId)
      case 'claim':
        return void this.#claims.add(`${news.at} ${news.key}`)
      case 'tokens':
        return void (this.#isTokens = true)
      case 'all':
        return void (this.#isAll = true)
    }
  }

  /** The payloads to send; it is empty afterwards. */
  take(from: string): string[] {
    const payloads = this.#isAll ? [] : this.#payloads(from)
    const isAll = this.#isAll || payloads.length > MOST_PAYLOADS
    for (const one of [this.#work, this.#jobs, this.#workers, this.#claims]) one.clear()
    this.#isTokens = this.#isAll = this.#isMuchWork = false
    return isAll ? [JSON.stringify({ from, all: true })] : payloads
  }

  #payloads(from: string): string[] {
    const isMuch = this.#isMuchWork || this.#work.size > MOST_WORK
    const items: [keyof Sent, unknown][] = [
      ...(isMuch ? [['work', ''] as const] : Array.from(this.#work, (id) => ['work', id] as const)),
      ...Array.from(this.#jobs, ([id, waits]) => [waits ? 'waits' : 'jobs', id] as const),
      ...Array.from(this.#workers, (id) => ['workers', id] as const),
      ...(this.#isTokens ? [['tokens', true] as const] : []),
      ...Array.from(this.#claims, (key) => ['claims', key] as const),
    ].map(([key, value]) => [key, value])
    const payloads: string[] = []
    let now: Record<string, unknown> = {}
    let bytes = 0
    const end = (): void => {
      if (bytes > 0) payloads.push(JSON.stringify({ from, ...now }))
      now = {}
      bytes = 0
    }
    for (const [key, value] of items) {
      const more = Buffer.byteLength(JSON.stringify(value)) + 20
      if (more > MOST_BYTES / 2) continue
      if (bytes + more > MOST_BYTES - 200) end()
      bytes += more
      if (typeof value === 'string') now[key] = [...((now[key] as string[]) ?? []), value]
      else now[key] = value
    }
    end()
    return payloads
  }
}

/** @returns null for what is no news of ours. */
export function newsIn(payload: string): { from: string; proof: string; news: News[] } | null {
  const read = sent.safeParse(parsed(payload))
  if (!read.success) return null
  const { from, proof, work, jobs, waits, workers, claims, tokens, all } = read.data
  const news: News[] = [
    ...jobs.map((jobId) => ({ about: 'job', jobId, waits: false }) as const),
    ...waits.map((jobId) => ({ about: 'job', jobId, waits: true }) as const),
    ...work.map((jobId) => ({ about: 'work', jobId: jobId || null }) as const),
    ...workers.map((workerId) => ({ about: 'worker', workerId }) as const),
    ...claims.map(claimIn),
    ...(tokens ? [{ about: 'tokens' } as const] : []),
    ...(all ? [{ about: 'all' } as const] : []),
  ]
  return { from, proof, news }
}

function claimIn(text: string): News {
  const [at = '', ...key] = text.split(' ')
  return { about: 'claim', key: key.join(' '), at: Number(at) }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
