import assert from 'node:assert/strict'
import path from 'node:path'
import { describe, it } from 'node:test'
import type { Engine, Recognised, TranscribeRequest } from '../../agent/engines/engine.ts'
import { Slots } from '../../agent/gpu/slots.ts'
import { recognise } from '../../agent/transcription/recognise.ts'
import { TranscriptDraft } from '../../agent/transcription/transcript-draft.ts'
import { PLAIN_MIX } from '../../agent/media/mix.ts'
import type { Span } from '../../shared/span.ts'
import { AppError } from '../../shared/errors.ts'
import { CLIPS, makeSilence, TEXT_ALONE } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const folder = tempFolder()
const LOOP = 'thank you very much '.repeat(12)

/** An engine that says what it is told to; for what cannot be had of a real one at will. */
function scripted(say: (request: TranscribeRequest) => Recognised | AppError): Engine {
  const none = async (): Promise<void> => undefined
  return {
    info: { name: 'scripted', model: 'none', device: 'cpu', version: '1' },
    abilities: {
      ...TEXT_ALONE,
      languages: null,
      speakers: true,
      partSeconds: 6,
    },
    prepare: none,
    close: none,
    async transcribe(request) {
      const said = say(request)
      if (said instanceof AppError) throw said
      return said
    },
  }
}

const says = (text: string, seconds = 4): Recognised => ({
  language: 'en',
  segments: [{ start: 0.5, end: seconds, text }],
  warnings: [],
})

async function run(
  engine: Engine,
  more: {
    speakers?: boolean
    vadMethod?: 'silero' | 'loudness'
    silence?: boolean
    asked?: string
    tag?: string
    speech?: readonly Span[]
  } = {},
): Promise<TranscriptDraft> {
  const draft = new TranscriptDraft()
  const wavPath = more.silence === true ? await makeSilence(folder, 11) : CLIPS.jfk.file
  await recognise(engine, new Slots([{ index: 0, gpu: null }]), {
    jobId: 'j1',
    audio: {
      voices: [
        {
          channel: null,
          mix: PLAIN_MIX,
          wavPath,
          speech: more.speech ?? [{ start: 0.5, end: 5 }],
          doneUntil: 0,
        },
      ],
      vadMethod: more.vadMethod ?? 'silero',
      offsetSeconds: 0,
      seconds: 11,
    },
    isNew: true,
    ahead: [],
    asked: more.asked ?? null,
    languages: null,
    tag: more.tag ?? null,
    options: {
      language: null,
      task: 'transcribe',
      prompt: null,
      hotwords: null,
      words: false,
      speakers: more.speakers === true ? { min: null, max: null } : null,
      model: null,
    },
    workDir: path.join(folder, 'work'),
    signal: new AbortController().signal,
    draft,
    report() {},
    onPart() {},
  })
  return draft
}

const texts = ({ segments }: TranscriptDraft): string[] => segments.map(({ text }) => text)

describe('a part whose text goes round in circles', () => {
  it('is recognised a second time, and the better text is taken', async () => {
    const tries: boolean[] = []
    const engine = scripted(({ again }) => {
      tries.push(again)
      return says(again ? 'Thank you very much.' : LOOP)
    })
    const draft = await run(engine)
    assert.deepEqual(tries, [false, true])
    assert.deepEqual(texts(draft), ['Thank you very much.'])
    assert.equal(draft.segments[0]?.flags, undefined)
  })

  it('is marked and kept where the second try is no better, or fails', async () => {
    for (const second of [says(LOOP), new AppError('engine_failed', 'broken')]) {
      const draft = await run(scripted(({ again }) => (again ? second : says(LOOP))))
      assert.equal(draft.segments.length, 1)
      assert.ok((draft.segments[0]?.flags ?? []).length > 0)
    }
  })
})

describe('text without speech', () => {
  const ghost: Recognised = {
    language: 'en',
    segments: [
      { start: 0.5, end: 4.5, text: 'Ask not.' },
      { start: 5.2, end: 5.45, text: 'Thanks for watching!' },
    ],
    warnings: [],
  }

  it('is left out and counted', async () => {
    const draft = await run(scripted(() => ghost))
    assert.deepEqual(texts(draft), ['Ask not.'])
    assert.equal(draft.dropped, 1)
  })

  it('is kept where speech was found by loudness alone, which may have missed it', async () => {
    const draft = await run(
      scripted(() => ghost),
      { vadMethod: 'loudness' },
    )
    assert.equal(draft.dropped, 0)
    assert.equal(draft.segments.length, 2)
  })
})

describe('segments to which the engine gives no length', () => {
  it('have one in the transcript, and a sentence', async () => {
    const at = (start: number, end: number, text: string) => ({ start, end, text })
    const heard = [
      at(0.5, 2, 'Ask not.'),
      at(2, 2, 'Zero.'),
      at(3, 2.6, 'Less.'),
      at(NaN, NaN, 'No.'),
    ]
    const { segments, warnings } = await run(
      scripted(() => ({ language: 'en', segments: heard, warnings: [] })),
    )
    assert.deepEqual(
      segments.map(({ text }) => text),
      ['Ask not.', 'Zero.', 'Less.', 'No.'],
    )
    for (const [i, { start, end }] of segments.entries()) {
      assert.ok(end - start >= 0.1, `${start} to ${end}`)
      assert.ok(start >= (segments[i - 1]?.end ?? 0))
    }
    assert.match(warnings.join(), /no length/)
  })
})

describe('an engine that fails to tell speakers apart', () => {
  it('gives the text without them, and says so', async () => {
    const engine = scripted(({ options }) =>
      options.speakers === null ? says('Ask not.') : new AppError('engine_failed', 'no model'),
    )
    const draft = await run(engine, { speakers: true })
    assert.deepEqual(texts(draft), ['Ask not.'])
    assert.deepEqual(draft.warnings, ['Diarization failed: no model'])
  })
})

describe('another language than the engine knows', () => {
  const invented: Recognised = { ...says('The first of all.'), doubt: { words: 20, differing: 15 } }
  const english = (engine: Engine): Engine => ({
    ...engine,
    abilities: { ...engine.abilities, languages: ['en'], partSeconds: 3 },
  })

  it('is refused, but for what was asked for', async () => {
    const engine = english(scripted(() => invented))
    await assert.rejects(run(engine), { code: 'unsupported_language' })
    const { languages, warnings } = await run(engine, { asked: 'en' })
    assert.deepEqual(languages, {})
    assert.match(warnings.join(), /another language than English/)
  })

  it('costs nothing of what was recognised before it', async () => {
    let pieces = 0
    const engine = english(scripted(() => (pieces++ === 0 ? says('Good morning.') : invented)))
    const speech = [
      { start: 0.5, end: 3 },
      { start: 6, end: 9 },
    ]
    const { languages, segments, warnings } = await run(engine, { speech })
    assert.equal(pieces, 2)
    assert.deepEqual(Object.keys(languages), ['en'])
    assert.equal(segments.length, 2)
    assert.match(warnings.join(), /another language/)
  })
})

describe('the language', () => {
  it('is counted by how much speech each has', async () => {
    const draft = await run(
      scripted(() => ({ ...says('Frag nicht.'), language: 'de', languageProbability: 0.8 })),
    )
    assert.deepEqual(Object.keys(draft.languages), ['de'])
    assert.ok(
      Math.abs(draft.languages['de']!.weighed / draft.languages['de']!.knownSeconds - 0.8) < 1e-9,
    )
  })
})
