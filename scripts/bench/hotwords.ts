import path from 'node:path'
import { execa } from 'execa'
import { readWavHeader } from '../../agent/audio/wav.ts'
import type { Engine } from '../../agent/engines/engine.ts'
import { openFasterWhisper, recognised } from './faster-whisper.ts'
import { ffmpegHere } from './ffmpeg.ts'
import type { Measure } from './report.ts'

/** Each is said in one sentence. */
const NAMES = [
  'Dashwood',
  'Willoughby',
  'Kubernetes',
  'Grafana',
  'Wieczorek',
  'Okonkwo',
  'Schleswig',
  'Qdrant',
  'Szymanski',
  'Zanzibar',
]
const WITH_A_NAME = [
  (name: string) => `Yesterday afternoon we talked about ${name} for more than an hour.`,
  (name: string) => `Please send the report to ${name} before the end of the week.`,
]
const WITHOUT = [
  'The weather will be fine tomorrow, and we shall walk along the river.',
  'Nobody knew where the keys of the old house had been left.',
  'She bought bread, butter and a bottle of milk on her way home.',
  'The train to the city leaves at half past seven in the morning.',
]
const VOICES = ['en-us', 'en-gb']

interface Sentence {
  wavPath: string
  durationSeconds: number
  name: string | null
}

/** Names that Whisper base spells as they are written, without and with a list of them; and names that nobody said. */
export async function hotwordsHelp(folder: string): Promise<Measure[]> {
  const sentences = await said(folder)
  if (sentences === null) return [{ name: 'left out: espeak-ng is not here', value: '' }]
  const whisper = await openFasterWhisper(folder)
  const engine = await whisper.resident()
  try {
    const without = await spelt(engine, sentences, null, folder)
    const given = await spelt(engine, sentences, NAMES.join(', '), folder)
    const named = sentences.filter(({ name }) => name !== null).length
    return [
      {
        name: 'names as they are written, without hotwords',
        value: `${without.right} of ${named}`,
      },
      { name: `… with ${NAMES.length} hotwords`, value: `${given.right} of ${named}` },
      { name: 'names that nobody said, without', value: String(without.invented) },
      { name: '… with', value: String(given.invented) },
    ]
  } finally {
    await engine.close()
  }
}

async function said(folder: string): Promise<Sentence[] | null> {
  const texts = [
    ...NAMES.flatMap((name) => WITH_A_NAME.map((text) => ({ text: text(name), name }))),
    ...WITHOUT.map((text) => ({ text, name: null })),
  ]
  const ffmpeg = await ffmpegHere()
  const sentences: Sentence[] = []
  for (const voice of VOICES) {
    for (const { text, name } of texts) {
      const wavPath = path.join(folder, `said-${sentences.length}.wav`)
      const raw = path.join(folder, 'raw.wav')
      const { failed } = await execa('espeak-ng', ['-v', voice, '-w', raw, text], { reject: false })
      if (failed) return null
      await execa(ffmpeg, ['-v', 'error', '-y', '-i', raw, '-ar', '16000', '-ac', '1', wavPath])
      const { durationSeconds } = await readWavHeader(wavPath)
      sentences.push({ wavPath, durationSeconds, name })
    }
  }
  return sentences
}

async function spelt(
  engine: Engine,
  sentences: readonly Sentence[],
  hotwords: string | null,
  folder: string,
): Promise<{ right: number; invented: number }> {
  let right = 0
  let invented = 0
  for (const { name, ...sound } of sentences) {
    const speech = [{ start: 0, end: sound.durationSeconds }]
    const { text } = await recognised(engine, { ...sound, speech }, folder, hotwords)
    const found = NAMES.filter((one) => text.includes(one))
    if (name !== null && found.includes(name)) right++
    invented += found.filter((one) => one !== name).length
  }
  return { right, invented }
}
