import { execFileSync, spawn, spawnSync, type SpawnOptions } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { databaseAddress } from '../../coordinator/storage/postgres/address.ts'
import { Database } from '../../coordinator/storage/postgres/database.ts'
import { family, isAlive } from '../../scripts/process-tree.ts'
import { migrate } from '../../coordinator/storage/postgres/migrate.ts'

/** Where Debian and others put the programs of a server, which it leaves out of PATH. */
const FOLDERS = ['/usr/lib/postgresql', '/usr/pgsql', '/opt/homebrew/opt/postgresql/bin']
const PROGRAMS = ['initdb', 'pg_ctl', 'pg_basebackup']
const TEMPLATE = 'morag_template'
const USER = 'morag'

export interface ServerOptions {
  /** Whether what is committed survives a crash of the machine: slower. */
  isDurable?: boolean
  /** Lines for `postgresql.conf`. */
  config?: readonly string[]
}

/** Why there is no PostgreSQL here, for the `skip` of a test; false: there is. */
export const noPostgres: string | false =
  programsFolder() === null ? 'PostgreSQL is not installed: apt-get install postgresql' : false
if (noPostgres !== false && process.env['TEST_POSTGRES'] === 'required') throw new Error(noPostgres)

/** A server of its own in a temporary folder, on a free port of this machine; stopped with its process at the latest. */
export class PostgresServer {
  readonly port: number
  readonly folder: string
  readonly #stop = (): void => this.stop()
  #settings: readonly string[] = []
  #databases = 0
  #template: Promise<void> | null = null

  private constructor(folder: string, port: number) {
    this.folder = folder
    this.port = port
  }

  static async start({
    isDurable = false,
    config = [],
  }: ServerOptions = {}): Promise<PostgresServer> {
    const server = new PostgresServer(ownFolder(), await freePort())
    process.once('exit', server.#stop)
    const data = path.join(server.folder, 'data')
    runAsOwner('initdb', [
      '-A',
      'trust',
      '-U',
      USER,
      '-E',
      'UTF8',
      '--no-sync',
      '--no-instructions',
      '-D',
      data,
    ])
    server.#settings = [
      'listen_addresses=127.0.0.1',
      'max_connections=200',
      'shared_buffers=64MB',
      'autovacuum_naptime=5s',
      ...(isDurable ? [] : ['fsync=off', 'full_page_writes=off', 'synchronous_commit=off']),
      ...config,
      ...server.#place(),
    ]
    server.begin()
    return server
  }

  #place(): string[] {
    return [`port=${this.port}`, `unix_socket_directories='${this.folder}'`]
  }

  /** Starts it, also after {@link end}. */
  begin(): void {
    const options = this.#settings.flatMap((one) => ['-c', one]).join(' ')
    this.#control('start', '-o', options, '-l', path.join(this.folder, 'log'), '-t', '30')
  }

  /** @param mode `immediate`: as in a crash. */
  end(mode: 'fast' | 'immediate' = 'fast'): void {
    this.#control('stop', '-m', mode)
  }

  /** Ends it as a crash does, and starts it again. */
  async crash(): Promise<void> {
    const [data, log] = [path.join(this.folder, 'data'), path.join(this.folder, 'log')]
    const restart = ['-D', data, '-s', '-w', '-l', log, '-m', 'immediate', 'restart']
    const [name, args, options] = asOwner('pg_ctl', restart)
    const [code] = (await once(spawn(name, args, options), 'exit')) as [number | null]
    if (code !== 0) throw new Error(`pg_ctl restart ended with ${code}: ${this.log()}`)
  }

  /**
   * A server that follows this one. From then on what is committed here is there, too.
   * @returns it takes no changes until {@link promote}.
   */
  async standby(): Promise<PostgresServer> {
    const standby = new PostgresServer(ownFolder(), await freePort())
    process.once('exit', standby.#stop)
    const source = `host=127.0.0.1 port=${this.port} user=${USER}`
    runAsOwner('pg_basebackup', [
      '-D',
      path.join(standby.folder, 'data'),
      '-R',
      '-c',
      'fast',
      '-d',
      source,
    ])
    standby.#settings = [...this.#settings, ...standby.#place()]
    standby.begin()
    await this.run(`ALTER SYSTEM SET synchronous_standby_names = '*'`, 'SELECT pg_reload_conf()')
    return standby
  }

  /** From now on it takes changes, and follows nobody. */
  promote(): void {
    this.#control('promote')
  }

  /** Ends it as `kill -9` does. */
  async kill(): Promise<void> {
    const all = family(this.pid)
    for (const pid of all) process.kill(pid, 'SIGKILL')
    while (all.some(isAlive)) await delay(10)
    rmSync(path.join(this.folder, 'data/postmaster.pid'))
  }

  /** Of the process that starts the others. */
  get pid(): number {
    return Number.parseInt(readFileSync(path.join(this.folder, 'data/postmaster.pid'), 'utf8'), 10)
  }

  /** Ends it, and removes its folder. */
  stop(): void {
    process.off('exit', this.#stop)
    try {
      if (existsSync(path.join(this.folder, 'data/postmaster.pid'))) this.end('immediate')
    } finally {
      rmSync(this.folder, { recursive: true, force: true })
    }
  }

  /** The address of a database. */
  url(database: string): string {
    return `postgres://${USER}@127.0.0.1:${this.port}/${database}`
  }

  /** Makes a new database with our schema, as a copy. @returns its address. */
  async database(): Promise<string> {
    await (this.#template ??= this.#makeTemplate())
    const name = `morag_${(this.#databases += 1)}`
    await this.run(`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE}`)
    return this.url(name)
  }

  /** Runs statements in the database `postgres`. */
  async run(...texts: readonly string[]): Promise<void> {
    const database = open(this.url('postgres'))
    try {
      for (const text of texts) await database.query({ name: '', text })
    } finally {
      await database.close()
    }
  }

  /** What it has logged. */
  log(): string {
    return readFileSync(path.join(this.folder, 'log'), 'utf8')
  }

  async #makeTemplate(): Promise<void> {
    await this.run(`CREATE DATABASE ${TEMPLATE}`)
    const template = open(this.url(TEMPLATE))
    await migrate(template)
    await template.close()
  }

  #control(...args: readonly string[]): void {
    runAsOwner('pg_ctl', ['-D', path.join(this.folder, 'data'), '-s', '-w', ...args])
  }
}

let shared: Promise<PostgresServer> | null = null

/** The server that the test files of this process share. */
export async function sharedPostgres(): Promise<PostgresServer> {
  return await (shared ??= PostgresServer.start())
}

function open(url: string): Database {
  return new Database({ address: databaseAddress(url), poolSize: 1 })
}

/** The server refuses to run as root, and wants a folder of its own. */
function ownFolder(): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'morag-postgres-'))
  chmodSync(folder, 0o700)
  if (process.getuid?.() === 0) execFileSync('chown', ['postgres', folder])
  return folder
}

function runAsOwner(program: string, args: readonly string[]): void {
  const [name, all, options] = asOwner(program, args)
  const { status, stderr, error } = spawnSync(name, all, { ...options, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${program} ended with ${status}: ${error?.message ?? stderr}`)
}

/** What runs a program as `postgres` where this process is root. */
function asOwner(program: string, args: readonly string[]): [string, string[], SpawnOptions] {
  const file = path.join(programsFolder()!, program)
  const owner = ['--reuid=postgres', '--regid=postgres', '--clear-groups', '--']
  const [name, ...rest] = process.getuid?.() === 0 ? ['setpriv', ...owner, file] : [file]
  const env = { ...process.env, LANG: 'C.UTF-8', TZ: 'UTC' }
  // Not a pipe for its output: the server would hold it open.
  return [name!, [...rest, ...args], { cwd: '/', env, stdio: ['ignore', 'ignore', 'pipe'] }]
}

function programsFolder(): string | null {
  const listed = FOLDERS.flatMap((folder) => {
    if (!existsSync(folder)) return []
    const versions = readdirSync(folder).toSorted((a, b) => Number(b) - Number(a))
    return [folder, ...versions.map((version) => path.join(folder, version, 'bin'))]
  })
  const folders = [...(process.env['PATH'] ?? '').split(path.delimiter), ...listed]
  const has = (folder: string) => (name: string) => existsSync(path.join(folder, name))
  return folders.find((one) => PROGRAMS.every(has(one))) ?? null
}

async function freePort(): Promise<number> {
  const probe = net.createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => probe.once('listening', resolve))
  const { port } = probe.address() as net.AddressInfo
  await new Promise((resolve) => probe.close(resolve))
  return port
}
