import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { fleet, type FleetSize } from './bench/agents.ts'
import { besideBullmq } from './bench/bullmq.ts'
import { chapters } from './bench/chapters.ts'
import { crowdCost } from './bench/crowd.ts'
import { diarization } from './bench/diarization.ts'
import { durableCycles } from './bench/durable.ts'
import { ENGINE_PARTS } from './bench/engines.ts'
import { frontDoor } from './bench/front-door.ts'
import { gpuUse } from './bench/gpu.ts'
import { journalLength } from './bench/journal.ts'
import { prefetching } from './bench/prefetch.ts'
import { languages } from './bench/languages.ts'
import { claimCost, loadTime, longPolls } from './bench/queue.ts'
import { readers } from './bench/readers.ts'
import { print, type Measure } from './bench/report.ts'
import { retrieval } from './bench/retrieval.ts'
import { scale } from './bench/scale.ts'
import { severalCoordinators } from './bench/several.ts'
import { startUp } from './bench/start-up.ts'
import { streaming } from './bench/stream.ts'
import { subtitles } from './bench/subtitles.ts'
import { vocabulary } from './bench/vocabulary.ts'
import { uploads } from './bench/upload.ts'

/**
 * `npm run bench [-- part…] [--agents <n>] [--seconds <n>] [--rate <jobs a second>]`: what the queue, the disk and the wire cost, measured over HTTP against real coordinator
 * processes. Machines are noisy: read the ratios, and run it twice.
 */
const PARTS: Record<
  string,
  { title: string; run: (folder: string, file: string, size: FleetSize) => Promise<Measure[]> }
> = {
  start: { title: 'How soon the programs are there', run: startUp },
  claim: { title: 'A claim costs the same however many jobs wait', run: claimCost },
  load: { title: 'A start reads every job file', run: loadTime },
  wait: { title: 'Workers that wait for work', run: longPolls },
  agents: { title: 'A fleet of agents at one coordinator', run: fleet },
  crowd: { title: 'What waiting calls cost other jobs', run: crowdCost },
  durable: { title: 'Durable cycles', run: durableCycles },
  bullmq: { title: 'Durable cycles, beside BullMQ', run: besideBullmq },
  scale: { title: 'Jobs in PostgreSQL', run: scale },
  several: { title: 'One coordinator and three, over PostgreSQL', run: severalCoordinators },
  journal: { title: 'A journal under a load that does not stop', run: journalLength },
  stream: { title: 'Streaming', run: streaming },
  upload: { title: 'Uploads by POST /process', run: uploads },
  'front-door': { title: 'A clip of 7 seconds by /v1/audio/transcriptions', run: frontDoor },
  readers: { title: 'The largest results, in and out', run: readers },
  ...ENGINE_PARTS,
  gpu: { title: 'What a GPU gets to do', run: gpuUse },
  languages: { title: 'Languages that the embedded engine does not know', run: languages },
  subtitles: { title: 'Subtitles of half an hour, within bounds', run: subtitles },
  speakers: { title: 'Who speaks, on voices of real people', run: diarization },
  chapters: { title: 'Chapters that are found in a text', run: chapters },
  retrieval: { title: 'Questions about a talk, by its chunks and by its lines', run: retrieval },
  vocabulary: { title: 'Names of a vocabulary', run: vocabulary },
  prefetch: { title: 'No slot waits for the link', run: prefetching },
}

/** Parts that are asked for by one name. */
const GROUPS: Record<string, readonly string[]> = { engines: Object.keys(ENGINE_PARTS) }

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    agents: { type: 'string', default: '2000' },
    seconds: { type: 'string', default: '30' },
    rate: { type: 'string', default: '12' },
  },
})
const size: FleetSize = {
  agents: Number(values.agents),
  seconds: Number(values.seconds),
  rate: Number(values.rate),
}
const wanted = positionals.flatMap((name) => GROUPS[name] ?? name)
const unknown = wanted.filter((name) => !(name in PARTS))
if (unknown.length > 0) {
  const names = [...Object.keys(GROUPS), ...Object.keys(PARTS)]
  console.error(`No such part: ${unknown.join(', ')}. There are: ${names.join(', ')}.`)
  process.exit(2)
}
console.log(
  `Node ${process.version}, ${os.availableParallelism()} cores, ${os.cpus()[0]?.model ?? 'unknown'}`,
)
let missed = 0
for (const [name, { title, run }] of Object.entries(PARTS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  const folder = await mkdtemp(path.join(os.tmpdir(), 'morag-bench-'))
  try {
    const file = path.join(folder, 'source.wav')
    await writeFile(file, 'RIFF')
    const measures = await run(folder, file, size)
    print(title, measures)
    missed += measures.filter(({ kept }) => kept === false).length
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
process.exitCode = missed > 0 ? 1 : 0
