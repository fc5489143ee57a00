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
import { ffmpegHere, TO_WAV } from './ffmpeg.ts'
import { gameLines } from './game-lines.ts'
import type { Measure } from './report.ts'

/** Each is said in a sentence of its own. */
const NO_MIX = { weights: null, layout: null, gain: 0 }
const NAMES =
  'Willoughby Kubernetes Grafana Wieczorek Okonkwo Schleswig Qdrant Szymanski Zanzibar'.split(' ')
const MEETINGS = 6
/** Said in the recorded clips. */
const CLIP_NAMES = ['Dashwood']
/** By names that actors say in a game, the lines that have them. */
const LINES: Readonly<Record<string, string>> = {
  Almaxaquottl: '400001P2 400008P2 410006P3 610001P1',
  Azura: '06009AJ1 06009BJ1 770006J1 770028P3 77002AP2',
  Floda: '06009AJ1 06009BJ1 070001P2 130008P2',
  Harbuckle: '3400CCP2 3400CDP2',
  Hekarwii: '110007P1',
  Ironstein: '270006P2 280008P4 2800CCP1',
  Laris: '290001P1 660001P1',
  Manuputu: '330006P2',
  Mobobo: '590033P3',
  Naomi: '06002BJ1 6700A6P1',
  Russel: '290029J1',
  Talmaxacorta: '330006J1',
  Ungawa: '59009BP2',
  Wedgewood: '37000AP3 420028P1',
}
const LINE_NAMES = Object.keys(LINES)
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
const ALL = [...CLIP_NAMES, ...LINE_NAMES, ...NAMES, ...NEVER]
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
  /** Those that are said in it. */
  names: readonly string[]
  isRecorded: boolean
}

/**
 * Names that Whisper base spells right, before and after, and names that nobody said, with a list of 123 names of which
 * 24 are said: in recorded speech (two clips, six excerpts of meetings, 28 lines of a game) and in sentences by espeak-ng.
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
      const isOurs = texts === spelt
      const { invented, ...spoken } = counted(texts)
      return [
        { name: `${name}: names of recorded speech spelt right`, value: spoken.recorded },
        { name: '… of espeak-ng', value: spoken.made },
        {
          name: '… names that nobody said',
          value: String(invented.length),
          ...(isOurs && { promise: 'none', kept: invented.length === 0 }),
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

function counted(texts: readonly [Sound, string][]): {
  recorded: string
  made: string
  invented: string[]
} {
  const rightOf = (among: boolean): string => {
    const said = texts.filter(([{ isRecorded }]) => isRecorded === among)
    const names = said.flatMap(([sound, text]) => sound.names.map((name) => text.includes(name)))
    return `${names.filter(Boolean).length} of ${names.length}`
  }
  const invented = texts.flatMap(([{ names }, text]) =>
    ALL.filter((name) => !names.includes(name) && text.includes(name)),
  )
  return { recorded: rightOf(true), made: rightOf(false), invented }
}

function textOf(segments: readonly Segment[]): string {
  return segments.map(({ text }) => text).join(' ')
}

async function soundsIn(folder: string): Promise<Sound[] | null> {
  const ffmpeg = await ffmpegHere()
  const options = { signal: new AbortController().signal }
  const sounds: Omit<Sound, 'durationSeconds'>[] = [
    ...CLIPS.map(({ file: wavPath, text }) => ({
      wavPath,
      names: CLIP_NAMES.filter((one) => text.includes(one)),
      isRecorded: true,
    })),
    ...(await meetings(ffmpeg, options))
      .slice(0, MEETINGS)
      .map(({ wavPath }) => ({ wavPath, names: [], isRecorded: true })),
  ]
  const lines = await gameLines(options)
  for (const id of new Set(Object.values(LINES).flatMap((ids) => ids.split(' ')))) {
    const wavPath = path.join(folder, `${id}.wav`)
    await execa(ffmpeg, ['-v', 'error', '-y', '-i', '-', ...TO_WAV, wavPath], {
      input: lines.get(id)!,
    })
    const names = LINE_NAMES.filter((name) => LINES[name]!.includes(id))
    sounds.push({ wavPath, names, isRecorded: true })
  }
  const texts = [
    ...NAMES.map((name, i) => ({ text: SAID[i % SAID.length]!(name), names: [name] })),
    ...ALIKE.map((text) => ({ text, names: [] })),
  ]
  for (const [i, { text, names }] of texts.entries()) {
    const [raw, wavPath] = [path.join(folder, 'raw.wav'), path.join(folder, `said-${i}.wav`)]
    const { failed } = await execa('espeak-ng', ['-v', 'en-us', '-w', raw, text], { reject: false })
    if (failed) return null
    await execa(ffmpeg, ['-v', 'error', '-y', '-i', raw, ...TO_WAV, wavPath])
    sounds.push({ wavPath, names, isRecorded: false })
  }
  return await Promise.all(
    sounds.map(async (sound) => {
      const { durationSeconds } = await readWavHeader(sound.wavPath)
      return { ...sound, durationSeconds }
    }),
  )
}
