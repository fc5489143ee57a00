import { access, mkdir, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'

/**
 * `npm run check:package`: packs what would be published, installs it into empty folders with an empty HOME, once whole
 * and once without the optional parts, and does there what the README does first. Fails where a user would.
 */
const ROOT = fileURLToPath(new URL('..', import.meta.url))
const TEXT = /ask not what your country can do for you/i

interface Installed {
  folder: string
  bin: (name: string) => string
  env: Record<string, string>
}

async function main(): Promise<void> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'morag-package-'))
  try {
    const tarball = await pack(folder)
    await whole(await install(tarball, path.join(folder, 'whole')))
    await slim(await install(tarball, path.join(folder, 'slim'), '--omit=optional'))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  console.log('The package works.')
}

async function pack(folder: string): Promise<string> {
  await execa('npm', ['run', '-s', 'build'], { cwd: ROOT, stdio: 'inherit' })
  await execa('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: ROOT })
  const name = (await readdir(folder)).find((file) => file.endsWith('.tgz'))
  if (name === undefined) throw new Error('npm pack left no file')
  return path.join(folder, name)
}

async function install(tarball: string, folder: string, ...flags: string[]): Promise<Installed> {
  const home = path.join(folder, 'home')
  await mkdir(home, { recursive: true })
  const quiet = ['--no-audit', '--no-fund', '--loglevel', 'error']
  await execa('npm', ['install', '--prefix', folder, ...quiet, ...flags, tarball])
  const { stdout } = await execa('du', ['-sm', path.join(folder, 'node_modules')])
  console.log(`installed ${flags.join(' ') || 'whole'}: ${stdout.split('\t')[0]} MB`)
  const bin = (name: string): string => path.join(folder, 'node_modules/.bin', name)
  return { folder, bin, env: { PATH: process.env['PATH'] ?? '', HOME: home, ...network() } }
}

/** How this machine reaches the registries. */
function network(): Record<string, string> {
  const names = /^(npm_config_\w+|PIP_INDEX_URL|NODE_EXTRA_CA_CERTS|(https?|no)_proxy)$/i
  const set = Object.entries(process.env).filter(([name]) => names.test(name))
  return Object.fromEntries(set) as Record<string, string>
}

/** A program of the installed package; its standard output. Throws when it ends in another way than `exitCode`. */
async function say(
  { bin, env, folder }: Installed,
  command: readonly string[],
  exitCode = 0,
): Promise<string> {
  const [name, ...args] = command
  const done = await execa(bin(name!), args, {
    cwd: folder,
    env,
    extendEnv: false,
    reject: false,
    all: true,
  })
  if (done.exitCode === exitCode) return done.all
  throw new Error(`${command.join(' ')} ended with ${done.exitCode}:\n${done.all}`)
}

function expect(text: string, pattern: RegExp, what: string): void {
  if (!pattern.test(text)) throw new Error(`${what} gave:\n${text}`)
  console.log(`ok: ${what}`)
}

/** The pages come along: the README's links lead somewhere without a network. */
async function pages({ folder }: Installed): Promise<void> {
  const root = path.join(folder, 'node_modules/morag-remote-conversion')
  const readme = await readFile(path.join(root, 'README.md'), 'utf8')
  for (const [, link] of readme.matchAll(/\]\((?!https?:)([^)#]+)/g))
    await access(path.join(root, link!))
  console.log('ok: the pages')
  await access(path.join(root, 'dist/coordinator/storage/postgres/migrations/0001-begin.sql'))
  console.log('ok: the migrations')
}

async function whole(here: Installed): Promise<void> {
  await pages(here)
  const clip = path.join(
    here.folder,
    'node_modules/morag-remote-conversion/dist/agent/assets/jfk.wav',
  )
  expect(await say(here, ['morag-agent', '--version']), /^\d+\.\d+\.\d+/, 'morag-agent --version')
  expect(await say(here, ['morag-agent', 'transcribe', clip]), TEXT, 'morag-agent transcribe')
  const serve = ['serve', '--port', '0', '--data-dir', 'data', '--log-format', 'json']
  const { folder, env, bin } = here
  const coordinator = execa(bin('morag-coordinator'), serve, {
    cwd: folder,
    env,
    extendEnv: false,
    reject: false,
    buffer: false,
  })
  try {
    const url = await firstUrl(coordinator.stdout)
    const page = await fetch(`${url}/dashboard/main.js`)
    expect(await page.text(), /import .* from '\.\/store\.js'/, 'the dashboard')
    const agent = execa(bin('morag-agent'), ['start', '--once', '--url', url], {
      cwd: folder,
      env,
      extendEnv: false,
      reject: false,
    })
    const text = await say(here, ['morag-agent', 'submit', clip, '--url', url, '--wait'])
    expect(text, TEXT, 'a coordinator, an agent, a job')
    await agent
    await client(here, url)
  } finally {
    coordinator.kill('SIGTERM')
    await coordinator
  }
}

/** What `import 'morag-remote-conversion/client'` gives, with its types. Reads the jobs that are done. */
async function client({ folder, env }: Installed, url: string): Promise<void> {
  const dist = path.join(folder, 'node_modules/morag-remote-conversion/dist/client')
  await access(path.join(dist, 'client.d.ts'))
  const program = `
    import { MoragClient } from 'morag-remote-conversion/client'
    const client = new MoragClient({ url: '${url}' })
    for await (const { job_id } of client.list()) console.log(await client.result(job_id, 'txt'))`
  const options = { cwd: folder, env, extendEnv: false }
  const args = ['--input-type=module', '--eval', program]
  expect((await execa(process.execPath, args, options)).stdout, TEXT, 'the client')
}

/**
 * Without the embedded engine, and without a network: for hosts that have their own of everything. This one has nothing
 * but Node on its PATH, whatever the machine has.
 */
async function slim(installed: Installed): Promise<void> {
  const programs = path.join(installed.folder, 'programs')
  await mkdir(programs)
  await symlink(process.execPath, path.join(programs, 'node'))
  const env = { ...installed.env, PATH: programs, MORAG_OFFLINE: '1' }
  const here = { ...installed, env }
  expect(await say(here, ['morag-agent', '--version']), /^\d+\.\d+\.\d+/, 'slim: --version')
  expect(await say(here, ['morag-agent', 'engines']), /whisper-cpp/, 'slim: morag-agent engines')
  const without = await say(here, ['morag-agent', 'test', '--test', 'engine', '--json'], 1)
  expect(
    without,
    /No working ffmpeg: .*--offline.*--ffmpeg.*models pull ffmpeg/,
    'slim: morag-agent test says what is missing',
  )
}

async function firstUrl(output: NodeJS.ReadableStream): Promise<string> {
  for await (const line of createInterface({ input: output })) {
    const { url } = JSON.parse(line) as { url?: string }
    if (url === undefined) continue
    output.resume()
    return url
  }
  throw new Error('the coordinator ended before it listened')
}

await main()
