import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Engine } from '../agent/engines/engine.ts'
import { MOONSHINE } from '../agent/engines/moonshine/definition.ts'
import { SherpaEngine } from '../agent/engines/sherpa/engine.ts'
import { createVoiceDetector } from '../agent/transcription/voice-detector.ts'
import { Slots } from '../agent/gpu/slots.ts'
import { findTools, type Tools } from '../agent/media/find-ffmpeg.ts'
import { contentTypeOf } from '../agent/media/file-kind.ts'
import { decode, probe } from '../agent/media/media.ts'
import { WavReader } from '../agent/audio/wav.ts'
import { modelsDir } from '../agent/paths.ts'
import { wordErrors } from '../agent/wer.ts'
import { createPipeline, type Converted } from '../agent/work/pipeline.ts'
import { AppError } from '../shared/errors.ts'
import { cuesOf } from '../shared/cues.ts'
import { remembering } from './agent/embedded.ts'
import { CLIPS, testTools } from './agent/fixtures.ts'
import { tempFolder } from './shared/temp-folder.ts'
import { faultsIn } from './shared/cue-bounds.ts'

const folder = tempFolder()
const signal = new AbortController().signal
const JFK = CLIPS.jfk.text
const AUSTEN = CLIPS.austen.text
const MICS = 'He might even have been made amiable himself.'
const QUIET = `${AUSTEN} Unless to be rather cold-hearted and rather selfish is to be ill-disposed. Had he married a more amiable woman, he might have been made still more respectable than he was.`

/** What is right for a file; its words are those that the embedded engine hears, but for `errors` of them. */
interface Row {
  file: string
  options?: Record<string, unknown>
  /** What is said. */
  said?: string
  /** Where it is listened to from, in seconds, of a long one whose end is what matters. */
  from?: number
  errors?: number
  /** When segments begin, in seconds. */
  starts?: number[]
  /** When the last one ends. */
  ends?: number
  /** How long the result says that the file is. */
  seconds?: number
  /** What `warnings` say; not given: nothing. */
  warns?: RegExp
  /** What each side of a call says; its words, at most `errors` wrong for each. */
  sides?: readonly string[]
  /** What is said instead of a text. */
  refused?: RegExp
}

const SIZE = { seconds: 11, said: JFK, errors: 2, starts: [0.3], ends: 10.6 }
const ROWS: Row[] = [
  { file: 'apac_first.m4a', ...SIZE, warns: /track 2 was used, the only one that can be decoded/ },
  {
    file: 'change_mono_stereo.mp3',
    said: `${JFK} ${AUSTEN} ${JFK}`,
    errors: 3,
    starts: [0.3],
    ends: 28.8,
    seconds: 29.2,
  },
  { file: 'phase.mp3', ...SIZE, warns: /inverted/ },
  { file: 'mics_10_speech_on_10.wav', said: MICS, errors: 2, warns: /only channel 10 has sound/ },
  { file: 'mics_6_speech_on_4.wav', said: MICS, errors: 2, warns: /only channel 4 has sound/ },
  { file: 'quiet_40db.flac', said: QUIET, errors: 3, warns: /very quiet/ },
  { file: 'quiet_telephone_28db.wav', said: QUIET, errors: 4, warns: /very quiet/ },
  { file: 'late_3.ts', said: JFK, errors: 1, starts: [3.3], ends: 13.6, seconds: 20 },
  { file: 'late_12.ts', said: JFK, errors: 1, starts: [12.3], ends: 22.6, seconds: 24 },
  { file: 'pause_29s.ts', said: `${JFK} ${AUSTEN}`, errors: 2, starts: [0.3, 40.2], ends: 47 },
  { file: 'pause_29s.mp4', said: `${JFK} ${AUSTEN}`, errors: 2, starts: [0.3, 40.2], ends: 47 },
  { file: 'commentary_first.mkv', ...SIZE, seconds: 12.06, warns: /track 2 \(eng\).*commentary/ },
  {
    file: 'commentary_first.mkv',
    options: { language: 'en' },
    ...SIZE,
    seconds: 12.06,
    warns: /track 2 \(eng\).*commentary/,
  },
  { file: 'silent_track_first.mkv', ...SIZE, seconds: 12.06, warns: /track 2 .*1 \(almost no/ },
  { file: 'wav_half.wav', ...SIZE },
  {
    file: 'length_too_short.mka',
    from: 80,
    said: `${JFK} ${AUSTEN}`,
    errors: 2,
    starts: [80.7],
    ends: 99.3,
    seconds: 100.5,
  },
  { file: 'asterisk.gsm', said: 'And so my fellow Americans', errors: 2, seconds: 3 },
  {
    file: 'broadcast.mxf',
    said: 'And so my fellow Americans',
    errors: 2,
    seconds: 2,
    // Two seconds say little about a language.
    warns: /^(The speech may not be English.*)?$/,
  },
  { file: 'empty.mp3', refused: /^The file is empty/ },
  { file: 'cut_upload.mp4', refused: /^The file is incomplete: .*Send it again/ },
  { file: 'clock_wraps.ts', ...SIZE, seconds: 20 },
  { file: 'edit_list.m4a', said: JFK.split(', ').slice(1).join(' '), errors: 3, seconds: 9 },
  { file: 'late_20.mkv', said: JFK, errors: 1, starts: [20.3], ends: 30.6, seconds: 35 },
  { file: 'centre_only.mka', ...SIZE },
  {
    file: 'call_both_at_once.wav',
    options: { diarize: true },
    sides: [JFK, AUSTEN],
    errors: 3,
  },
  { file: 'long_cues.opus', seconds: 40.7 },
  { file: 'language_de.opus', refused: /English/ },
  { file: 'language_de_tagged.mka', refused: /English/ },
]

/** Where it lies: a transport stream may not be called as its senders call it, or it would be taken for a program of ours. */
const source = (file: string): string =>
  fileURLToPath(new URL(`cases/${file.replace(/\.ts$/, '.mpegts')}`, import.meta.url))
/** How they are mixed is decided by what is on them. */
const MANY_CHANNELS = /^(mics|centre|phase)/
/** Refused for what is said on their one track. */
const FOREIGN = /^language_de/
const near = (seconds: number, expected: number): boolean => Math.abs(seconds - expected) < 0.5

function isNear(what: string, seconds: number, expected: number | undefined): void {
  assert.ok(expected === undefined || near(seconds, expected), `${what}: ${seconds}`)
}

function saysWhat(said: string, text: string, { errors = 0 }: Row): void {
  const wrong = wordErrors(said, text).errors
  assert.ok(wrong <= errors, `${wrong} words wrong: ${text}`)
}

function check(row: Row, { transcript, metadata }: Converted): void {
  const { segments } = transcript
  const text = segments.map((one) => one.text).join(' ')
  if (row.said !== undefined) saysWhat(row.said, text, row)
  for (const [side, said] of (row.sides ?? []).entries()) {
    const own = segments.filter(({ speaker }) => speaker === `Speaker_0${side}`)
    saysWhat(said, own.map((one) => one.text).join(' '), row)
  }
  const seconds = Number(metadata['duration'])
  for (const name of [false, true]) {
    const labelOf = (speaker: string): string => (name ? `${speaker}:` : '')
    assert.deepEqual(faultsIn(cuesOf(segments, { labelOf, seconds }), { seconds }), [])
  }
  for (const start of row.starts ?? []) {
    const begins = segments.map((one) => one.start)
    assert.ok(
      begins.some((one) => near(one, start)),
      `${start} is not among ${begins.join()}`,
    )
  }
  isNear('its last word ends', segments.at(-1)?.end ?? 0, row.ends)
  isNear('it is long', Number(metadata['duration']), row.seconds)
  const warnings = String(metadata['warnings'])
  if (row.warns === undefined) assert.equal(warnings, '')
  else assert.match(warnings, row.warns)
}

/** How loud a track is in each twentieth of a second. */
async function loudness(tools: Tools, file: string, track: number): Promise<number[]> {
  const media = await probe(tools, file, { signal })
  const wav = path.join(await mkdtemp(path.join(folder, 'wav-')), 'out.wav')
  await decode(tools, file, track, wav, { signal, media, onProgress: () => undefined })
  const reader = await WavReader.open(wav)
  try {
    const levels: number[] = []
    for await (const block of reader.blocks(800)) {
      levels.push(Math.sqrt(block.reduce((sum, one) => sum + one * one, 0) / block.length))
    }
    return levels
  } finally {
    await reader.close()
  }
}

describe('files that people have', () => {
  const engine = remembering(new SherpaEngine(MOONSHINE, { modelsDir: modelsDir(), threads: null }))
  after(() => engine.close())

  async function assertRight(tools: Tools, row: Row): Promise<number | null> {
    const { file, options = {}, refused, from } = row
    const speakers = { always: false, prefix: 'Speaker_', models: null, command: null }
    const vad = createVoiceDetector({ dir: modelsDir() })
    const slots = new Slots([{ index: 0, gpu: null }])
    const converted = createPipeline({
      tools,
      engine: from === undefined ? engine : startingAt(from, engine),
      slots,
      vad,
      speakers,
      models: [],
    }).convert({
      jobId: file,
      sourcePath: source(file),
      filename: file,
      contentType: contentTypeOf(file),
      taskOptions: options,
      workDir: await mkdtemp(path.join(folder, 'work-')),
      signal,
      report: () => undefined,
    })
    if (refused === undefined) {
      check(row, await converted)
      return ((await converted).metadata['audio'] as { track: number }).track
    }
    await assert.rejects(converted, (error) => {
      assert.ok(
        error instanceof AppError &&
          /^(invalid_media|unsupported_(media|language))$/.test(error.code),
      )
      assert.match(error.message, refused)
      return true
    })
    return null
  }

  const tracks = new Map<Row, number | null>()
  for (const row of ROWS) {
    const options = row.options === undefined ? '' : ` ${JSON.stringify(row.options)}`
    it(`${row.file}${options} is right`, async () => {
      tracks.set(row, await assertRight(await testTools(), row))
    })
  }

  it('xing_too_short.mp3 is as long as its sound', async () => {
    const tools = await testTools()
    await assertSame(['xing_too_short.mp3', tools], ['length_too_short.mka', tools])
  })

  const other = [process.env['OTHER_FFMPEG'], '/usr/bin/ffmpeg'].find(
    (one) => one !== undefined && existsSync(one),
  )
  it('are right with another ffmpeg', { skip: other === undefined }, async () => {
    const tools = await findTools({ explicit: other ?? null, fetched: null, signal })
    for (const row of ROWS) {
      const { file } = row
      const track = FOREIGN.test(file) ? 0 : (tracks.get(row) ?? null)
      if (track === null || MANY_CHANNELS.test(file)) await assertRight(tools, row)
      else await assertSame([file, tools], [file, await testTools()], track)
    }
  })
})

/** Hears nothing that is said before. */
function startingAt(seconds: number, engine: Engine): Engine {
  return {
    ...engine,
    async transcribe(request) {
      const speech = request.speech.filter(({ start }) => start >= seconds)
      return await engine.transcribe({ ...request, speech })
    },
  }
}

/** What sounds the same has the same words: it need not be recognised twice. */
async function assertSame(
  [file, tools]: [file: string, tools: Tools],
  [other, others]: [file: string, tools: Tools],
  track = 0,
): Promise<void> {
  const one = await loudness(tools, source(file), track)
  const two = await loudness(others, source(other), track)
  const lengths = `${one.length} and ${two.length} frames`
  assert.ok(Math.abs(one.length - two.length) <= 3, `${file}: ${lengths}`)
  // Decoders begin some milliseconds apart.
  const off = one.filter((level, at) => Math.abs(level - (two[at] ?? 0)) > 0.04).length
  assert.ok(off < one.length / 10, `${file}: ${off} of ${lengths} differ`)
}
