import { chmodSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { programCode } from '../../scripts/processes.ts'
import { PAGES, ROOT, snippetsOf, type Snippet } from './snippets.ts'

/** The programs of the pages, as a reader has them: each a file of its own, in a folder that is not ours. */
export class Programs {
  readonly folder: string
  readonly #snippets: ReadonlyMap<string, Snippet>
  readonly #started = new Set<string>()
  readonly #path: string

  constructor(folder: string) {
    this.folder = folder
    const named = PAGES.flatMap(snippetsOf).filter(({ name }) => name !== null)
    this.#snippets = new Map(named.map((snippet) => [snippet.name!, snippet]))
    const differs = named.find(({ name, code }) => this.#snippets.get(name!)?.code !== code)
    if (differs !== undefined) throw new Error(`Two programs are named ${differs.name}.`)
    for (const [name, { code }] of this.#snippets) writeFileSync(path.join(folder, name), code)
    // What `npm install` and `npm link` would give.
    const [packages, ours] = [ROOT, folder].map((home) => path.join(home, 'node_modules'))
    mkdirSync(ours!)
    for (const name of readdirSync(packages!))
      symlinkSync(path.join(packages!, name), path.join(ours!, name))
    const bin = path.join(folder, 'bin')
    mkdirSync(bin)
    const command = path.join(bin, 'morag-coordinator')
    const node = [process.execPath, ...programCode('coordinator')]
    writeFileSync(command, `#!/bin/sh\nexec ${node.map((word) => `'${word}'`).join(' ')} "$@"\n`)
    chmodSync(command, 0o755)
    this.#path = `${bin}:${process.env['PATH'] ?? ''}`
  }

  get names(): string[] {
    return [...this.#snippets.keys()]
  }

  /** Those that were not started yet. */
  get left(): string[] {
    return this.names.filter((name) => !this.#started.has(name))
  }

  /** Puts a file beside them; its name. */
  write(name: string, text: string): string {
    writeFileSync(path.join(this.folder, name), text)
    return name
  }

  /** Starts one with these arguments, and nothing of ours in its environment but what is given. */
  start(name: string, args: readonly string[], env: Record<string, string>) {
    const command = COMMANDS[path.extname(name)]
    if (command === undefined || !this.#snippets.has(name)) throw new Error(`No page has ${name}.`)
    this.#started.add(name)
    const [program, ...before] = command
    return execa(program!, [...before, name, ...args], {
      cwd: this.folder,
      env: { PATH: this.#path, HOME: this.folder, LANG: 'C.UTF-8', ...env },
      extendEnv: false,
      stdin: 'ignore',
      // One that waits for what never comes would hold the test.
      timeout: 60_000,
      forceKillAfterDelay: false,
    })
  }

  /** Starts one that goes on until it is stopped, and waits for its first line. */
  async serve(name: string, env: Record<string, string>, args: readonly string[] = []) {
    const child = this.start(name, args, env)
    // That it is killed at the end is no failure; `line` rejects when it ends before.
    const ended = child.catch(() => undefined)
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const next = async (): Promise<string> => {
      const { value, done } = await lines.next()
      if (done === true) throw new Error(`${name} has ended: ${(await child).stderr}`)
      return value
    }
    const stop = async (signal: NodeJS.Signals = 'SIGKILL'): Promise<void> => {
      child.kill(signal)
      await ended
    }
    return { first: await next(), next, stop }
  }
}

const TSX = fileURLToPath(import.meta.resolve('tsx'))
const COMMANDS: Record<string, string[]> = {
  '.py': ['python3'],
  '.sh': ['sh'],
  '.mts': [process.execPath, '--import', TSX],
}

/** Why programs of a kind cannot run here; false: they can. */
export async function cannotRun(kind: 'py' | 'sh' | 'mts'): Promise<string | false> {
  if (kind === 'mts') return false
  const [program, args, what] =
    kind === 'py'
      ? (['python3', ['-c', 'import requests'], 'python3 with requests'] as const)
      : (['curl', ['--version'], 'curl'] as const)
  const { failed } = await execa(program, args, { reject: false })
  return failed ? `${what} is not here` : false
}
