import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { execa } from 'execa'
import type { Seen } from './morag-server.ts'
import { quietPort } from './quiet-port.ts'
import { nodeScript } from '../../scripts/node-script.ts'

const PROGRAM = nodeScript(new URL('morag-server.ts', import.meta.url))

/** The stand-in for the MoRAG server, as a process that can be stopped and started again. */
export interface Morag {
  /** The same over restarts. */
  readonly url: string
  /** Every request that it has had, over restarts: no answer goes out before its request is in here. */
  seen(): Seen[]
  /** Called for every request, soon after it is in {@link seen}. */
  onRequest(listener: () => void): void
  /** Kills it; its port is closed then. */
  stop(): Promise<void>
  /** Starts it again, at the same address and with what it knew. */
  start(): Promise<void>
}

/** Starts one that knows nothing yet; it goes with the test. */
export async function startMorag(
  t: Pick<TestContext, 'after'>,
  folder: string,
  { apiKey }: { apiKey?: string } = {},
): Promise<Morag> {
  const log = path.join(folder, 'morag.ndjson')
  writeFileSync(log, '')
  const port = await quietPort()
  const listeners: (() => void)[] = []
  let stop = await run()
  t.after(async () => await stop())

  /** What stops it, once it listens. */
  async function run(): Promise<() => Promise<void>> {
    const child = execa(process.execPath, [...PROGRAM, String(port), log], {
      env: apiKey === undefined ? {} : { KEY: apiKey },
      reject: false,
      buffer: false,
      stdin: 'ignore',
      stderr: 'inherit',
    })
    const lines = createInterface({ input: child.stdout })
    const closed = new Promise<void>((resolve) => lines.once('close', resolve))
    await new Promise<void>((resolve, reject) => {
      lines.once('line', () => {
        resolve()
        lines.on('line', () => listeners.forEach((listener) => listener()))
      })
      lines.once('close', () => reject(new Error('The MoRAG server did not start.')))
    })
    return async () => {
      child.kill('SIGKILL')
      await Promise.all([child, closed])
    }
  }

  return {
    url: `http://127.0.0.1:${port}`,
    seen: () =>
      readFileSync(log, 'utf8')
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Seen),
    onRequest: (listener) => void listeners.push(listener),
    stop: async () => await stop(),
    async start() {
      stop = await run()
    },
  }
}
