import { createInterface } from 'node:readline'
import { execa } from 'execa'
import { nodeScript } from '../node-script.ts'

const PROGRAM = nodeScript(new URL('./proxy-process.ts', import.meta.url))

export interface CuttingProxy {
  readonly url: string
  readonly cuts: () => number
  /** From now on it only passes on. */
  calm(): void
  /** Whether it answers by itself, as a proxy does whose backend is being replaced. */
  edge(is: boolean): void
  close(): Promise<void>
}

/**
 * A process between clients and ports of this machine, which balances over these, cuts connections and may answer in
 * their place.
 */
export async function startProxy(ports: readonly number[], seed: number): Promise<CuttingProxy> {
  const args = [...PROGRAM, String(seed), ...ports.map(String)]
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
      .once('close', () => reject(new Error('The proxy ended before it listened.')))
  })
  const tell = (what: object): void => void child.stdin.write(`${JSON.stringify(what)}\n`)
  return {
    url: `http://127.0.0.1:${own}`,
    cuts: () => cuts,
    calm: () => tell({ calm: true }),
    edge: (is) => tell({ edge: is }),
    async close() {
      child.kill('SIGKILL')
      await child
    },
  }
}
