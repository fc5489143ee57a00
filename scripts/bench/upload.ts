import { once } from 'node:events'
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { Readable } from 'node:stream'
import { Agent, request } from 'undici'
import { startCoordinator } from '../processes.ts'
import { peaksDuring } from './memory.ts'
import type { Measure } from './report.ts'

const MIB = 1024 * 1024
const SMALL = 64 * MIB
const LARGE = 2048 * MIB
const BOUNDARY = 'made-by-the-benchmark'

/** How a form comes to `POST /process`, and where it goes. */
interface Way {
  name: string
  isRemote: boolean
  fileFirst: boolean
}

const WAYS: readonly Way[] = [
  { name: 'for a worker, request_data first', isRemote: true, fileFirst: false },
  { name: 'for a worker, file first', isRemote: true, fileFirst: true },
  { name: 'for MoRAG, request_data first', isRemote: false, fileFirst: false },
  { name: 'for MoRAG, file first', isRemote: false, fileFirst: true },
]

/** The most memory that a coordinator takes while a form with 64 MiB and one with 2 GiB go through it. */
export async function uploads(folder: string): Promise<Measure[]> {
  const morag = await startMoragServer()
  const agent = new Agent({ headersTimeout: 0, bodyTimeout: 0 })
  try {
    const measures: Measure[] = []
    for (const way of WAYS) {
      measures.push(...(await grown(way, folder, morag, agent)))
      measures.push(await cut(way, folder, morag, agent))
    }
    return measures
  } finally {
    await agent.destroy()
    morag.close()
  }
}

async function grown(
  way: Way,
  folder: string,
  morag: MoragServer,
  agent: Agent,
): Promise<Measure[]> {
  const runs: { peakMb: number; seconds: number }[] = []
  for (const size of [SMALL, LARGE]) {
    // A new one for each: what a process has once had it may keep.
    const { coordinator, dataDir, stop } = await started(folder, morag)
    const from = performance.now()
    const [peakMb] = await peaksDuring([coordinator.pid], async () => {
      const { statusCode, body } = await request(`${coordinator.url}/api/v1/process`, {
        method: 'POST',
        dispatcher: agent,
        ...form(way, size),
      })
      const text = await body.text()
      if (statusCode !== 200) throw new Error(`${statusCode} ${text}`)
    })
    runs.push({ peakMb: peakMb!, seconds: (performance.now() - from) / 1000 })
    const arrived = way.isRemote ? await kept(dataDir) : morag.lastBytes
    if (arrived < size) throw new Error(`of ${size} bytes ${arrived} have arrived`)
    await stop()
  }
  const [small, large] = runs as [(typeof runs)[0], (typeof runs)[0]]
  const ratio = large.peakMb / small.peakMb
  return [
    {
      name: `${way.name}: peak, 64 MiB → 2 GiB`,
      value: `${small.peakMb.toFixed(0)} → ${large.peakMb.toFixed(0)} MB`,
    },
    {
      name: '  ratio',
      value: ratio.toFixed(2),
      promise: 'flat: under 1.5',
      kept: ratio < 1.5,
    },
    { name: '  2 GiB took', value: `${large.seconds.toFixed(1)} s` },
  ]
}

/** What lies on the disk when 2 GiB break off halfway, and a little later. */
async function cut(way: Way, folder: string, morag: MoragServer, agent: Agent): Promise<Measure> {
  const { coordinator, dataDir, stop } = await started(folder, morag)
  let held = 0
  const { headers, body } = form(way, LARGE, async () => {
    held = await kept(dataDir)
  })
  const url = `${coordinator.url}/api/v1`
  const sending = request(`${url}/process`, { method: 'POST', dispatcher: agent, headers, body })
  const answered = await sending.then(
    ({ statusCode }) => statusCode,
    () => null,
  )
  if (answered !== null) throw new Error(`${answered} for what was cut`)
  // It learns of the cut by and by.
  let left = await kept(dataDir)
  for (const until = Date.now() + 10_000; left > 0 && Date.now() < until;) {
    left = await kept(dataDir)
  }
  const list = await request(`${url}/remote-jobs`)
  const { jobs } = (await list.body.json()) as { jobs: unknown[] }
  await stop()
  return {
    name: '  cut at 1 GiB: on the disk then → soon after',
    value: `${(held / MIB).toFixed(0)} → ${(left / MIB).toFixed(0)} MB`,
    promise: 'nothing stays, and no job',
    kept: left === 0 && jobs.length === 0,
  }
}

async function started(folder: string, morag: MoragServer) {
  const dataDir = path.join(folder, 'upload')
  await mkdir(dataDir)
  const args = ['--morag-url', morag.url]
  const coordinator = await startCoordinator(dataDir, folder, { built: true, args })
  const stop = async (): Promise<void> => {
    coordinator.signal('SIGKILL')
    await coordinator.ended
    await rm(dataDir, { recursive: true })
  }
  return { coordinator, dataDir, stop }
}

/**
 * A form whose file is made while it goes out.
 * @param atHalf makes it break off halfway, after that is done.
 */
function form({ isRemote, fileFirst }: Way, size: number, atHalf?: () => Promise<void>) {
  const data = JSON.stringify({ content_type: 'audio', metadata: { remote: isRemote } })
  const head = (rest: string): string =>
    `--${BOUNDARY}\r\nContent-Disposition: form-data; ${rest}\r\n\r\n`
  const field = `${head('name="request_data"')}${data}\r\n`
  const begin = (fileFirst ? '' : field) + head('name="file"; filename="talk.wav"')
  const end = `\r\n${fileFirst ? field : ''}--${BOUNDARY}--\r\n`
  const chunk = Buffer.alloc(MIB, 'RIFF')
  async function* bytes(): AsyncGenerator<Buffer> {
    yield Buffer.from(begin)
    for (let sent = 0; sent < size; sent += MIB) {
      if (atHalf !== undefined && sent >= size / 2) {
        await atHalf()
        throw new Error('cut')
      }
      yield chunk
    }
    yield Buffer.from(end)
  }
  return {
    headers: {
      'content-type': `multipart/form-data; boundary=${BOUNDARY}`,
      'content-length': String(begin.length + size + end.length),
    },
    body: Readable.from(bytes(), { objectMode: false }),
  }
}

/** The bytes of all that lies in a folder's `sources`. */
async function kept(dataDir: string): Promise<number> {
  const sources = path.join(dataDir, 'sources')
  let bytes = 0
  for (const entry of await readdir(sources, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const { size } = await stat(path.join(entry.parentPath, entry.name)).catch(() => ({ size: 0 }))
    bytes += size
  }
  return bytes
}

interface MoragServer {
  url: string
  /** How much its last request has brought. */
  lastBytes: number
  close(): void
}

/** Stands in for the MoRAG server: takes everything and keeps nothing. */
async function startMoragServer(): Promise<MoragServer> {
  const server = createServer((incoming, response) => {
    let bytes = 0
    incoming.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    incoming.on('error', () => undefined)
    incoming.on('end', () => {
      morag.lastBytes = bytes
      response.end('{}')
    })
  })
  server.requestTimeout = 0
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const morag: MoragServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    lastBytes: 0,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
  return morag
}
