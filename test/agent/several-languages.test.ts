import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { readWavHeader } from '../../agent/audio/wav.ts'
import type { Detected, Engine } from '../../agent/engines/engine.ts'
import { Slots } from '../../agent/gpu/slots.ts'
import { PLAIN_MIX } from '../../agent/media/mix.ts'
import {
  checkpointOf,
  languagesOf,
  readCheckpoint,
  resumeDraft,
  usableAhead,
  type Checkpoint,
} from '../../agent/transcription/checkpoint.ts'
import type { Voice } from '../../agent/transcription/prepared-audio.ts'
import { recognise } from '../../agent/transcription/recognise.ts'
import { TranscriptDraft } from '../../agent/transcription/transcript-draft.ts'
import type { Transcript } from '../../shared/transcript.ts'
import { makeSilence, TEXT_ALONE } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { readByVersion1 } from './recorded/checkpoint-version-1.ts'

const folder = tempFolder()
const RATE = 16_000
const CODES = ['en', 'de', 'fr']

/** "Speech" of 4 s every 5 s; its samples are the number of the language that it is in. */
const SECONDS = 300
const silence = await makeSilence(folder, SECONDS)
const { dataOffset } = await readWavHeader(silence)
const SPANS = Array.from({ length: SECONDS / 5 }, (_, n) => ({ start: n * 5, end: n * 5 + 4 }))

/** @param parts seconds in each language, one after the other. */
async function speechIn(...parts: [code: string, seconds: number][]): Promise<string> {
  const wav = await readFile(silence)
  let at = dataOffset
  for (const [code, seconds] of parts) {
    wav.fill(Buffer.from([CODES.indexOf(code) + 1, 0]), at, (at += seconds * RATE * 2))
  }
  const file = path.join(folder, `${parts.flat().join('-')}.wav`)
  await writeFile(file, wav)
  return file
}

/** The language that most samples of a file are in, and of them the share. */
async function languageIn(wavPath: string, from = 0, to = Infinity): Promise<Detected> {
  const wav = await readFile(wavPath)
  const header = await readWavHeader(wavPath)
  const counts = CODES.map(() => 0)
  for (let n = Math.round(from * RATE); n < Math.min(header.samples, to * RATE); n += 1000) {
    counts[wav.readInt16LE(header.dataOffset + n * 2) - 1]! += 1
  }
  const most = Math.max(...counts)
  const probability = most / counts.reduce((sum, one) => sum + one, 0)
  return { language: CODES[counts.indexOf(most)]!, probability }
}

interface Recorded {
  engine: Engine
  /** How many pieces each detection had. */
  detections: number[]
  languages: (string | null)[]
}

/** A scripted engine that knows the languages of such speech. Its text is the language of a span, and what it was told. */
function engineOf({ speakers = false } = {}): Recorded {
  const detections: number[] = []
  const languages: (string | null)[] = []
  const engine: Engine = {
    info: { name: 'scripted', model: 'none', device: 'cpu', version: '1' },
    abilities: {
      ...TEXT_ALONE,
      languages: null,
      speakers,
      deterministic: true,
      partSeconds: 100,
    },
    prepare: () => Promise.resolve(),
    close: () => Promise.resolve(),
    async detect(pieces) {
      detections.push(pieces.length)
      return await Promise.all(pieces.map(({ wavPath }) => languageIn(wavPath)))
    },
    async transcribe({ wavPath, speech, options }) {
      languages.push(options.language)
      const segments = []
      for (const { start, end } of speech) {
        const { language } = await languageIn(wavPath, start, end)
        segments.push({ start, end, text: `${language} as ${options.language}` })
      }
      return { language: options.language, segments, warnings: [] }
    },
  }
  return { engine, detections, languages }
}

interface Outcome extends Pick<Recorded, 'detections' | 'languages'> {
  transcript: Transcript
  checkpoints: Checkpoint[]
  warnings: string[]
}

async function run(
  wavPaths: readonly string[],
  more: {
    slots?: number
    asked?: string
    speakers?: boolean
    checkpoint?: Checkpoint
  } = {},
): Promise<Outcome> {
  const { slots = 1, asked = null, speakers = false, checkpoint } = more
  const { engine, ...recorded } = engineOf({ speakers })
  const voices = wavPaths.map((wavPath, channel): Voice => {
    const { doneUntil = 0, languages } = checkpoint?.voices[channel] ?? {}
    return {
      channel: wavPaths.length > 1 ? channel : null,
      mix: PLAIN_MIX,
      wavPath,
      speech: SPANS,
      ...(languages === undefined ? {} : { languages }),
      doneUntil,
    }
  })
  const audio = {
    voices,
    wavPath: wavPaths[0]!,
    seconds: SECONDS,
    offsetSeconds: 0,
    resumed: false,
    vadMethod: 'silero' as const,
  }
  const draft =
    checkpoint === undefined
      ? new TranscriptDraft({
          decided: asked === null ? null : { language: asked, probability: null },
        })
      : resumeDraft(checkpoint, engine.info)
  const checkpoints: Checkpoint[] = []
  await recognise(
    engine,
    new Slots(Array.from({ length: slots }, (_, index) => ({ index, gpu: null }))),
    {
      jobId: 'j1',
      audio,
      isNew: checkpoint === undefined,
      ahead: checkpoint === undefined ? [] : usableAhead(checkpoint, engine.info),
      asked,
      languages: null,
      tag: null,
      options: {
        language: asked,
        task: 'transcribe',
        prompt: null,
        hotwords: null,
        words: false,
        speakers: speakers ? { min: null, max: null } : null,
        model: null,
      },
      workDir: path.join(folder, `work-${slots}`),
      signal: new AbortController().signal,
      draft,
      report: () => undefined,
      onPart(ahead) {
        const made = { source: 'abc', options: '[]', engine: engine.info, track: 0 }
        const sent: unknown = JSON.parse(JSON.stringify(checkpointOf(made, audio, draft, ahead)))
        checkpoints.push(readCheckpoint(sent, 'abc', '[]')!)
      },
    },
  )
  const transcript = draft.toTranscript(draft.segments, SECONDS, { withSpeakers: false })
  return { ...recorded, transcript, checkpoints, warnings: draft.warnings }
}

const TWO = await speechIn(['en', 200], ['de', 100])

describe('a recording that changes its language', () => {
  it('is recognised in each, with the language of each segment and their shares', async () => {
    const { transcript, detections } = await run([TWO])
    assert.equal(transcript.segments.length, 60)
    for (const { start, text, language } of transcript.segments) {
      const spoken = start < 200 ? 'en' : 'de'
      assert.deepEqual([text, language], [`${spoken} as ${spoken}`, spoken])
    }
    assert.equal(transcript.language, 'en')
    const { languages = [] } = transcript
    assert.deepEqual(
      languages.map(({ language, share }) => [language, Math.round(share * 30)]),
      [
        ['en', 20],
        ['de', 10],
      ],
    )
    assert.deepEqual(detections, [4, 9, 4])
  })

  it('has the same transcript on several slots, and when it is resumed', async () => {
    const one = await run([TWO])
    const several = await run([TWO], { slots: 3 })
    assert.deepEqual(several.transcript, one.transcript)
    for (const checkpoint of [...one.checkpoints.slice(0, -1), several.checkpoints[0]!]) {
      assert.deepEqual(languagesOf(checkpoint), ['en', 'de'])
      assert.ok(readByVersion1(checkpoint) !== null)
      const resumed = await run([TWO], { checkpoint })
      assert.deepEqual(resumed.transcript, one.transcript)
      assert.deepEqual(resumed.detections, [])
    }
  })

  it('is recognised in the language that the job names, and in no other', async () => {
    const { transcript, detections, languages } = await run([TWO], { asked: 'de' })
    assert.deepEqual(detections, [])
    assert.deepEqual(new Set(languages), new Set(['de']))
    assert.equal(transcript.language, 'de')
    assert.deepEqual(transcript.languages, [{ language: 'de', share: 1 }])
  })

  it('is recognised in its most spoken one, with a warning, by an engine that tells speakers apart', async () => {
    const { transcript, languages, warnings } = await run([TWO], { speakers: true })
    assert.deepEqual(languages, ['en'])
    assert.equal(transcript.language, 'en')
    assert.match(
      warnings.join(),
      /in English and German, but scripted .* all of it was recognised as English/,
    )
  })

  it('goes on from a checkpoint without languages as before: the engine detects each part', async () => {
    const { checkpoints } = await run([TWO])
    const old = { ...readByVersion1(checkpoints[0])!, ahead: [], diarization: null } as Checkpoint
    const { languages } = await run([TWO], { checkpoint: old })
    assert.deepEqual(new Set(languages), new Set([null]))
  })
})

describe('a call in two languages', () => {
  it('is recognised on each side in its own', async () => {
    const [left, right] = await Promise.all([speechIn(['en', 300]), speechIn(['fr', 300])])
    const { transcript } = await run([left, right])
    const texts = new Set(transcript.segments.map(({ text }) => text))
    assert.deepEqual(texts, new Set(['en as en', 'fr as fr']))
  })
})

describe('a recording in one language', () => {
  it('is recognised in it, at the cost of a sample of each minute of speech', async () => {
    const { transcript, detections, languages } = await run([await speechIn(['de', 300])])
    assert.deepEqual(detections, [4])
    assert.deepEqual(new Set(languages), new Set(['de']))
    assert.deepEqual(transcript.languages, [{ language: 'de', share: 1 }])
    assert.equal(transcript.languageProbability, 1)
  })
})
