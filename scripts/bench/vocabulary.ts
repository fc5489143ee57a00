import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { execa } from 'execa'
import { readWavHeader } from '../../agent/audio/wav.ts'
import type { Engine } from '../../agent/engines/engine.ts'
import { Slots } from '../../agent/gpu/slots.ts'
import { CLIPS } from '../../agent/selftest/clips.ts'
import { spell } from '../../agent/transcription/heard-terms.ts'
import type { Segment } from '../../shared/transcript.ts'
import { meetings } from './diarization/voices.ts'
import { openFasterWhisper, recognised } from './faster-whisper.ts'
import { ffmpegHere } from './ffmpeg.ts'
import type { Measure } from './report.ts'

/** Each is said in a sentence of its own. */
const NO_MIX = { weights: null, layout: null, gain: 0 }
const NAMES =
  'Willoughby Kubernetes Grafana Wieczorek Okonkwo Schleswig Qdrant Szymanski Zanzibar'.split(' ')
/** Said in the recorded clips. */
const MEETINGS = 6
const CLIP_NAMES = ['Dashwood']
const NEVER = (
  'Abernathy Adeyemi Akershus Amundsen Anastasopoulos Aragorn Ashkenazy Bangalore Bartholomew Beaumont Bolsonaro ' +
  'Bratislava Brzezinski Caravaggio Cassandra Chandrasekhar Clickhouse Cloudflare Copenhagen Cthulhu Dalloway Debussy ' +
  'Deleuze Dostoevsky Dvořák Eisenhower Elasticsearch Erdoğan Fitzgerald Fontainebleau Gandalf Ganymede Gorbachev ' +
  'Guadalajara Habermas Hadoop Heidegger Heraclitus Hyderabad Iwasaki Jakarta Kandinsky Katowice Kierkegaard Kowalczyk ' +
  'Ljubljana Lovecraft Lufthansa Machiavelli Maimonides Matsumoto Memcached Mitterrand Mogadishu Montesquieu Mozambique ' +
  'Nabokov Nakamura Netanyahu Nietzsche Novosibirsk Oppenheimer Ouagadougou Papadopoulos Pinocchio Podgorica Postgres ' +
  'Prometheus Quetzalcoatl Rachmaninoff Ramanujan Reykjavik Robespierre Rosencrantz Rumpelstiltskin Saskatchewan ' +
  'Schopenhauer Sebastopol Shostakovich Solzhenitsyn Spinoza Stravinsky Tchaikovsky Terraform Thessaloniki Timbuktu ' +
  'Tocqueville Tutankhamun Ulaanbaatar Uzbekistan Valkyrie Vladivostok Voldemort Wittgenstein Wojciechowski ' +
  'Yekaterinburg Yoshimoto Zarathustra Zuckerberg'
).split(' ')
const ALL = [...CLIP_NAMES, ...NAMES, ...NEVER]
const SAID = [
  (name: string) => `Yesterday afternoon we talked about ${name} for more than an hour.`,
  (name: string) => `Please send the report to ${name} before the end of the week.`,
]
/** They sound like names of the list. */
const ALIKE = [
  'The account well next to the house is dry.',
  'Several Cuba leaders came to the meeting.',
  'The shaman has lost his key again.',
  'We rent a cube for our things each summer.',
  'A conch from the world of the sea lay on the table.',
  'The will of my father was read on Monday.',
  'They slashed the wig on the way to the theatre.',
  'He can see bars and windows on the other side.',
]

interface Sound {
  wavPath: string
  durationSeconds: number
  name: string | null
}

/**
 * Names that Whisper base spells right, before and after, and names that nobody said, with a list of a hundred names of
 * which ten are said: in recorded speech (two clips, six excerpts of meetings) and in sentences by espeak-ng.
 */
export async function vocabulary(folder: string): Promise<Measure[]> {
  const sounds = await soundsIn(folder)
  if (sounds === null) return [{ name: 'left out: espeak-ng is not here', value: '' }]
  const engine = await (await openFasterWhisper(folder)).resident()
  const recordings: { sound: Sound; segments: Segment[] }[] = []
  try {
    for (const sound of sounds) {
      const speech = [{ start: 0, end: sound.durationSeconds }]
      const { segments } = await recognised(engine, { ...sound, speech }, folder)
      recordings.push({
        sound,
        segments: segments.map(({ start, end, text }) => ({ start, end, text })),
      })
    }
    const named = sounds.filter(({ name }) => name !== null).length
    const hinted: [Sound, string][] = []
    const spelt: [Sound, string][] = []
    for (const { sound, segments } of recordings) {
      const speech = [{ start: 0, end: sound.durationSeconds }]
      const { text } = await recognised(
        engine,
        { ...sound, speech },
        folder,
        ALL.slice(0, 10).join(', '),
      )
      hinted.push([sound, text])
      spelt.push([sound, await speltIn(engine, sound, segments, folder)])
    }
    const plain = recordings.map(({ sound, segments }): [Sound, string] => [
      sound,
      textOf(segments),
    ])
    const rows = Object.entries({
      'without the vocabulary': plain,
      'ten of its names as hotwords': hinted,
      'with the vocabulary': spelt,
    })
    return rows.flatMap(([name, texts]): Measure[] => {
      const { right, invented } = counted(texts)
      const isOurs = texts === spelt
      return [
        { name: `${name}: names spelt right`, value: `${right} of ${named}` },
        {
          name: '… names that nobody said',
          value: String(invented),
          ...(isOurs && { promise: 'none', kept: invented === 0 }),
        },
      ]
    })
  } finally {
    await engine.close()
  }
}

async function speltIn(
  engine: Engine,
  { wavPath }: Sound,
  segments: readonly Segment[],
  folder: string,
): Promise<string> {
  const workDir = path.join(folder, 'terms')
  await mkdir(workDir, { recursive: true })
  const slots = new Slots([{ index: 0, gpu: null }])
  const terms = ALL.map((term) => ({ term, heard_as: [] }))
  const options = { language: 'en', task: 'transcribe', prompt: null, hotwords: null } as const
  const recording = {
    jobId: 'bench',
    segments,
    voices: [{ channel: null, mix: NO_MIX, wavPath, speech: segments, doneUntil: 0 }],
    offsetSeconds: 0,
    options: { ...options, words: false, speakers: null, model: null },
    workDir,
    signal: new AbortController().signal,
    vocabulary: terms,
  }
  const spelt = await spell({ engine, slots }, recording)
  for (const { from, to } of spelt.replacements)
    console.error(`${path.basename(wavPath)}: ${from} → ${to}`)
  slots.close()
  return textOf(spelt.segments)
}

function counted(texts: readonly [Sound, string][]): { right: number; invented: number } {
  let right = 0
  let invented = 0
  for (const [{ name }, text] of texts) {
    const found = ALL.filter((one) => text.includes(one))
    if (name !== null && found.includes(name)) right += 1
    invented += found.filter((one) => one !== name).length
  }
  return { right, invented }
}

function textOf(segments: readonly Segment[]): string {
  return segments.map(({ text }) => text).join(' ')
}

async function soundsIn(folder: string): Promise<Sound[] | null> {
  const ffmpeg = await ffmpegHere()
  const signal = new AbortController().signal
  const files = [
    ...CLIPS.map(({ file, text }) => ({
      wavPath: file,
      name: CLIP_NAMES.find((one) => text.includes(one)) ?? null,
    })),
    ...(await meetings(ffmpeg, { signal }))
      .slice(0, MEETINGS)
      .map(({ wavPath }) => ({ wavPath, name: null })),
  ]
  const texts = [
    ...NAMES.map((name, i) => ({ text: SAID[i % SAID.length]!(name), name })),
    ...ALIKE.map((text) => ({ text, name: null })),
  ]
  for (const [i, { text, name }] of texts.entries()) {
    const [raw, wavPath] = [path.join(folder, 'raw.wav'), path.join(folder, `said-${i}.wav`)]
    const { failed } = await execa('espeak-ng', ['-v', 'en-us', '-w', raw, text], { reject: false })
    if (failed) return null
    await execa(ffmpeg, ['-v', 'error', '-y', '-i', raw, '-ar', '16000', '-ac', '1', wavPath])
    files.push({ wavPath, name })
  }
  return await Promise.all(
    files.map(async ({ wavPath, name }) => {
      const { durationSeconds } = await readWavHeader(wavPath)
      return { wavPath, durationSeconds, name }
    }),
  )
}
