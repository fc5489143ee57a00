import { createInterface } from 'node:readline'
import { execa } from 'execa'
import { nodeScript } from '../../scripts/node-script.ts'

const PROGRAM = nodeScript(new URL('bad-line-process.ts', import.meta.url))

export interface BadLine {
  /** Leads to the port that it was made for. */
  readonly url: string
  /** How often it has cut a connection, by its last report. */
  readonly cuts: () => number
  /** Out: nothing gets through any more, and no connection is reset. */
  cable(is: 'in' | 'out'): void
  close(): Promise<void>
}

/** A process between an agent and a coordinator, for machines on which no network can be made bad. */
export async function badLine(port: string, delayMs: number): Promise<BadLine> {
  const args = [...PROGRAM, port, String(delayMs)]
  const child = execa(process.execPath, args, {
    stdin: 'pipe',
    stderr: 'inherit',
    buffer: false,
    reject: false,
  })
  let cuts = 0
  const own = await new Promise<number>((resolve, reject) => {
    createInterface({ input: child.stdout })
      .on('line', (line) => {
        const said = JSON.parse(line) as { port?: number; cuts?: number }
        if (said.port !== undefined) resolve(said.port)
        cuts = said.cuts ?? cuts
      })
      .once('close', () => reject(new Error('The line ended before it was there.')))
  })
  return {
    url: `http://127.0.0.1:${own}`,
    cuts: () => cuts,
    cable: (is) => void child.kill(is === 'in' ? 'SIGUSR2' : 'SIGUSR1'),
    async close() {
      child.kill('SIGKILL')
      await child
    },
  }
}
