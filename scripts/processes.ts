import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { nodeScript } from './node-script.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** A program of the project, running as its user would run it. */
export interface Running {
  readonly pid: number
  /** Every line it has written so far, standard output and error. */
  readonly lines: readonly string[]
  /** The first line that fits, once it is there. Rejects when the program ends without one. */
  line(fits: (line: string) => boolean): Promise<string>
  /** Sends a signal; {@link ended} resolves with the outcome. */
  signal(name: NodeJS.Signals): void
  /** The exit code, or the signal that ended it. */
  readonly ended: Promise<{ exitCode: number | undefined; signal: string | undefined }>
}

export interface RunningCoordinator extends Running {
  readonly url: string
}

/** The caller's `MORAG_` settings do not leak in. */
function cleanEnv(extra: Record<string, string>): Record<string, string> {
  const own = Object.entries(process.env).filter(
    (pair): pair is [string, string] => pair[1] !== undefined && !pair[0].startsWith('MORAG_'),
  )
  return { ...Object.fromEntries(own), ...extra }
}

export interface RunOptions {
  env?: Record<string, string>
  /** Run what `npm run build` has compiled, as it is published; of another checkout. */
  built?: boolean | { root: string }
}

/** What Node is given to run a program of the project: compiled, where this file is, and from TypeScript in a checkout. */
export function programCode(
  program: 'coordinator' | 'agent',
  built: boolean | { root: string } = false,
): string[] {
  const root = typeof built === 'object' ? built.root : ROOT
  if (built !== false) return [path.join(root, 'dist', program, 'cli.js')]
  return nodeScript(new URL(`../${program}/cli.ts`, import.meta.url))
}

function start(
  program: 'coordinator' | 'agent',
  args: readonly string[],
  { env = {}, built }: RunOptions,
) {
  return execa(process.execPath, [...programCode(program, built), ...args], {
    cwd: ROOT,
    env: cleanEnv(env),
    extendEnv: false,
    reject: false,
    all: true,
    buffer: false,
    // A signal is that signal alone: draining takes longer than execa would wait before it kills.
    forceKillAfterDelay: false,
    stdin: 'ignore',
  })
}

/** Starts `coordinator` or `agent` from the checkout, with these arguments. */
export function run(
  program: 'coordinator' | 'agent',
  args: readonly string[],
  options: RunOptions = {},
): Running {
  const child = start(program, args, options)
  // Whatever becomes of us, it does not outlive us.
  const kill = (): void => void child.kill('SIGKILL')
  process.once('exit', kill)
  void child.finally(() => process.off('exit', kill))
  const lines: string[] = []
  const waiting = new Set<{ fits: (line: string) => boolean; resolve: (line: string) => void }>()
  const ended = child.then(({ exitCode, signal }) => ({ exitCode, signal }))
  const reader = createInterface({ input: child.all })
  reader.on('line', (line) => {
    lines.push(line)
    for (const one of waiting) {
      if (!one.fits(line)) continue
      waiting.delete(one)
      one.resolve(line)
    }
  })
  const closed = new Promise<void>((resolve) => reader.once('close', resolve))
  return {
    pid: child.pid!,
    lines,
    ended,
    signal: (name) => void child.kill(name),
    async line(fits) {
      const found = lines.find(fits)
      if (found !== undefined) return found
      return await new Promise((resolve, reject) => {
        const one = { fits, resolve }
        waiting.add(one)
        void closed.then(() => {
          if (waiting.delete(one))
            reject(new Error(`ended without that line:\n${lines.join('\n')}`))
        })
      })
    },
  }
}

/** A coordinator that listens, on a free port unless the arguments say otherwise. */
export async function startCoordinator(
  dataDir: string,
  mediaRoot: string,
  { args = [], ...options }: RunOptions & { args?: readonly string[] } = {},
): Promise<RunningCoordinator> {
  const folders = ['--data-dir', dataDir, '--media-root', mediaRoot]
  const running = run(
    'coordinator',
    ['serve', '--port', '0', ...folders, '--log-format', 'json', ...args],
    options,
  )
  const line = await running.line((text) => text.includes('"url"'))
  const { url } = JSON.parse(line) as { url: string }
  return { ...running, url }
}
