import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { cpuSecondsOf } from './cpu-time.ts'
import type { Said } from './cycles/child.ts'
import { coordinatorSide, httpSide, inTurn, summary, type Lap, type Side } from './durable.ts'
import type { Measure } from './report.ts'

const PACKAGE = 'bullmq@5'
const CHILD = fileURLToPath(new URL('cycles/child.ts', import.meta.url))

/**
 * The same cycles by our queue and by BullMQ, which it installs, over a Redis (`redis-server` in the PATH) that syncs each
 * write: called directly, and over HTTP.
 */
export async function besideBullmq(folder: string, file: string): Promise<Measure[]> {
  const redis = await startRedis(path.join(folder, 'redis'))
  if (redis === null) return [{ name: 'redis-server is not installed', value: 'left out' }]
  const bullmq = await installed()
  try {
    const sides: Side[] = [
      await direct('coordinator', path.join(folder, 'direct'), file),
      withCpu(await direct('bullmq', bullmq, redis.socket), redis.pid),
      await coordinatorSide(path.join(folder, 'http'), file),
      withCpu(await served(bullmq, redis.socket, file), redis.pid),
    ]
    const laps = await inTurn(sides)
    for (const side of sides) await side.close()
    const [ours, theirs, oursHttp, theirsHttp] = laps.map(summary)
    const row = (name: string, { rate, cpuMs }: ReturnType<typeof summary>): Measure => ({
      name,
      value: `${rate.toFixed(0)} cycles/s, ${cpuMs.toFixed(2)} ms`,
    })
    const ratio = (rate: number, other: number): Measure => ({
      name: '  cycles per second against it',
      value: `× ${(rate / other).toFixed(2)}`,
    })
    return [
      row('our queue, called directly', ours!),
      row('BullMQ, called directly, with its Redis', theirs!),
      ratio(ours!.rate, theirs!.rate),
      row('our coordinator, over HTTP', oursHttp!),
      row('BullMQ behind three routes of Hono, with its Redis', theirsHttp!),
      ratio(oursHttp!.rate, theirsHttp!.rate),
    ]
  } finally {
    redis.stop()
  }
}

async function installed(): Promise<string> {
  const folder = path.join(os.homedir(), '.cache', 'morag', 'bench-bullmq')
  if (!existsSync(path.join(folder, 'node_modules', 'bullmq'))) {
    await mkdir(folder, { recursive: true })
    await execa('npm', ['install', '--prefix', folder, '--no-audit', '--no-fund', PACKAGE])
  }
  return folder
}

/** Null: it is not installed. */
async function startRedis(
  dir: string,
): Promise<{ socket: string; pid: number; stop: () => void } | null> {
  await mkdir(dir, { recursive: true })
  const socket = path.join(dir, 'socket')
  const settings = ['--port', '0', '--unixsocket', socket, '--dir', dir, '--save', '']
  const durable = ['--appendonly', 'yes', '--appendfsync', 'always']
  const redis = execa('redis-server', [...settings, ...durable], { reject: false, buffer: false })
  for await (const line of createInterface({ input: redis.stdout }))
    if (/ready to accept connections/i.test(line)) {
      redis.stdout.resume()
      return { socket, pid: redis.pid!, stop: () => void redis.kill('SIGKILL') }
    }
  return null
}

function start(...args: string[]): ChildProcess {
  return fork(CHILD, args, { execArgv: ['--import', 'tsx'] })
}

/** A queue that does its cycles in a child, itself. */
async function direct(...args: string[]): Promise<Side> {
  const child = start(...args)
  return {
    async lap(cycles) {
      child.send(cycles)
      const [said] = (await once(child, 'message')) as [Said & { lap: Lap }]
      return said.lap
    },
    close: async () => await ended(child),
  }
}

async function served(bullmq: string, socket: string, file: string): Promise<Side> {
  const child = start('served', bullmq, socket)
  const [{ url }] = (await once(child, 'message')) as [Said & { url: string }]
  const side = httpSide(url, child.pid!, file)
  return {
    ...side,
    async close() {
      await side.close()
      await ended(child)
    },
  }
}

async function ended(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit')
  child.disconnect()
  await exit
}

/** With what another process computes for it. */
function withCpu(side: Side, pid: number): Side {
  return {
    ...side,
    async lap(cycles) {
      const from = cpuSecondsOf(pid)
      const lap = await side.lap(cycles)
      return { ...lap, cpuMs: lap.cpuMs + ((cpuSecondsOf(pid) - from) * 1000) / cycles }
    },
  }
}
