import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { tellsSpeakers } from '../../agent/transcription/tells-speakers.ts'
import { OPTIONS } from './engine-request.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import {
  speechServer,
  valueOf,
  type SpeechAnswer,
  type SpeechRequest,
  type SpeechServerOptions,
} from './replay/speech-server.ts'
import { sentencesOf, wordsIn, type SpokenWord } from './replay/spoken-words.ts'
import { vllmServer } from './replay/vllm-server.ts'
import { assertTrue, script, SECONDS, talkIn } from './talk.ts'

const { request: talk, engineAt } = await talkIn(tempFolder())

/** A server without a fault, but for what `change` makes of its segments and its text. */
async function faithful(
  change: (
    answer: { segments?: SpokenWord[]; text: string },
    seconds: number,
  ) => { segments?: SpokenWord[]; text: string } = (answer) => answer,
  options: SpeechServerOptions = {},
) {
  const transcribe = ({ fields, seconds }: SpeechRequest, samples: Int16Array): SpeechAnswer => {
    const segments = sentencesOf(wordsIn(samples, script))
    const text = segments.map((segment) => segment.text).join(' ')
    const isVerbose = valueOf(fields, 'response_format') === 'verbose_json'
    return [200, isVerbose ? change({ segments, text }, seconds) : { text }]
  }
  return await speechServer({}, transcribe, options)
}

const lengths = (requests: readonly SpeechRequest[]): number[] =>
  requests.map(({ seconds }) => seconds)

describe('a server that gives times', () => {
  it('shows them with one window, and gets parts from then on', async () => {
    const { url, requests } = await faithful()
    const engine = engineAt(url)
    const recognised = await engine.transcribe(await talk())
    assertTrue(recognised)
    assert.deepEqual(recognised.warnings, [])
    const [first = 0, rest = 0, ...more] = lengths(requests)
    assert.ok(first <= 28 && rest > SECONDS - 40 && more.length === 0, lengths(requests).join())
    assertTrue(await engine.transcribe(await talk()))
    assert.equal(requests.length, 3)
    assert.equal(requests[2]?.seconds, SECONDS)
  })

  const faults: [what: string, Parameters<typeof faithful>[0]][] = [
    ['gives text alone all the same', ({ text }) => ({ text })],
    [
      'gives its segments no length',
      ({ segments = [], text }) => ({
        segments: segments.map((one) => ({ ...one, start: 0, end: 0 })),
        text,
      }),
    ],
    [
      'loses segments of long recordings',
      ({ segments = [], text }) => ({
        segments: segments.filter((_, i) => i % 10 !== 9),
        text,
      }),
    ],
  ]
  for (const [what, change] of faults) {
    it(`gets windows when it ${what}`, async () => {
      const { url, requests } = await faithful(change)
      const engine = engineAt(url)
      const heard = await engine.transcribe(await talk())
      assertTrue(heard)
      assert.match(heard.warnings.join(), /Times are estimated/)
      const before = requests.length
      assertTrue(await engine.transcribe(await talk()))
      assert.ok(lengths(requests.slice(before)).every((seconds) => seconds <= 28))
    })
  }

  it('gets windows when it gives one segment for all', async () => {
    const { url, requests } = await faithful(({ text }, end) => ({
      segments: [{ start: 0, end, text }],
      text,
    }))
    const { segments } = await engineAt(url).transcribe(await talk())
    const said = segments.map(({ text }) => text).join(' ')
    assert.equal(said, script.map(({ text }) => text).join(' '))
    // Of the first window it is believed.
    assert.ok(segments.every(({ start, end }) => end - start <= 28))
    assert.ok(lengths(requests.slice(2)).every((seconds) => seconds <= 28))
  })

  it('is asked again for what follows where it stops early', async () => {
    const { url, requests } = await faithful(({ segments = [] }) => {
      const first = segments.filter(({ end }) => end < 60)
      return { segments: first, text: first.map(({ text }) => text).join(' ') }
    })
    const engine = engineAt(url)
    for (let piece = 0; piece < 2; piece++) {
      const heard = await engine.transcribe(await talk())
      assertTrue(heard)
      assert.deepEqual(heard.warnings, [])
    }
    assert.equal(lengths(requests).filter((seconds) => seconds > 28).length, 2)
  })

  it('is believed where it hears nothing at the end in windows either', async () => {
    const quiet = new Set(
      sentencesOf(script)
        .slice(-12)
        .map(({ text }) => text),
    )
    const { url } = await faithful(({ segments = [] }) => {
      const first = segments.filter(({ text }) => !quiet.has(text))
      return { segments: first, text: first.map(({ text }) => text).join(' ') }
    })
    const { segments, warnings } = await engineAt(url).transcribe(await talk())
    assert.equal(segments.length, sentencesOf(script).length - 12)
    assert.deepEqual(warnings, [])
  })
})

describe('hotwords', () => {
  const options = { ...OPTIONS, prompt: 'Austen', hotwords: 'Elinor' }
  const askedFor = (requests: readonly SpeechRequest[], name: string): (string | undefined)[] =>
    requests.map(({ fields }) => valueOf(fields, name))

  it('are a field of their own', async () => {
    const { url, requests } = await vllmServer({ script })
    const { warnings } = await engineAt(url).transcribe(await talk({ options }))
    assert.ok(askedFor(requests, 'hotwords').every((value) => value === 'Elinor'))
    assert.ok(askedFor(requests, 'prompt').every((value) => value === 'Austen'))
    assert.doesNotMatch(warnings.join(), /hotwords/)
  })

  for (const message of ['unknown param `hotwords`', 'Extra inputs are not permitted']) {
    it(`are in the prompt where a server says: ${message}`, async () => {
      const { url, requests } = await faithful(undefined, {
        refuse: ({ fields }) =>
          valueOf(fields, 'hotwords') === undefined
            ? null
            : { status: 400, body: JSON.stringify({ error: { message } }) },
      })
      const engine = engineAt(url)
      for (let piece = 0; piece < 2; piece++) {
        const heard = await engine.transcribe(await talk({ options }))
        assertTrue(heard)
        assert.match(heard.warnings.join(), /refuses the field for hotwords: .* in its prompt/)
      }
      const asked = askedFor(requests, 'hotwords')
      assert.deepEqual(
        asked.filter((value) => value !== undefined),
        ['Elinor'],
      )
      const prompts = askedFor(requests.slice(1), 'prompt')
      assert.ok(prompts.every((value) => value === 'Austen Elinor'))
    })
  }

  it('are in the prompt for windows that wait while another one finds it out', async () => {
    const { url } = await faithful(undefined, {
      refuse: ({ fields }) => {
        if (valueOf(fields, 'response_format') === 'verbose_json')
          return { status: 400, body: JSON.stringify({ error: { message: 'no verbose_json' } }) }
        return valueOf(fields, 'hotwords') === undefined
          ? null
          : { status: 400, body: JSON.stringify({ error: { message: 'unknown field hotwords' } }) }
      },
    })
    const engine = engineAt(url)
    await engine.transcribe(await talk())
    const slots = [0, 1].map((index) => ({ index, gpu: null }))
    const both = await Promise.all(
      slots.map(async (slot) => await engine.transcribe(await talk({ slot, options }))),
    )
    for (const heard of both) assertTrue(heard)
  })

  it('are not blamed for what is wrong without them', async () => {
    const { url, requests } = await faithful(undefined, {
      refuse: () => ({ status: 400, body: 'bad audio' }),
    })
    await assert.rejects(engineAt(url).transcribe(await talk({ options })), /bad audio/)
    assert.equal(requests.length, 2)
  })
})

describe('speakers', () => {
  const speakers = { ...OPTIONS, speakers: { min: null, max: null } }
  /** As OpenAI's model and CrispASR answer. */
  const diarizing = async () =>
    await speechServer({}, ({ fields }, samples): SpeechAnswer => {
      const found = sentencesOf(wordsIn(samples, script))
      const text = found.map((one) => one.text).join(' ')
      if (valueOf(fields, 'response_format') !== 'diarized_json') return [200, { text }]
      const segments = found.map((one, i) => ({ ...one, id: `seg_${i}`, speaker: 'AB'[i % 2] }))
      return [200, { task: 'transcribe', text, segments }]
    })

  it('are asked for where a server has them, with one request that shows it', async () => {
    const { url, requests } = await diarizing()
    const engine = engineAt(url)
    assert.equal(engine.abilities.speakers, 'maybe')
    const recording = { ...(await talk()), options: OPTIONS }
    assert.equal(await tellsSpeakers(engine, recording), true)
    assert.equal(await tellsSpeakers(engine, recording), true)
    assert.equal(requests.length, 1)
    assert.ok((requests[0]?.seconds ?? 0) <= 30)
    const heard = await engine.transcribe(await talk({ options: speakers }))
    assertTrue(heard)
    assert.deepEqual([...new Set(heard.segments.map(({ speaker }) => speaker))], ['A', 'B'])
    assert.equal(requests[1]?.seconds, SECONDS)
    assert.equal(valueOf(requests[1]?.fields ?? [], 'chunking_strategy'), 'auto')
  })

  it('are not expected of one that refuses the form, or ignores it', async () => {
    const refuse = ({ fields }: SpeechRequest) =>
      valueOf(fields, 'response_format') === 'diarized_json'
        ? { status: 400, body: "Input should be 'json' or 'verbose_json'" }
        : null
    for (const options of [{ refuse }, {}]) {
      const { url, requests } = await faithful(undefined, options)
      const engine = engineAt(url)
      assert.equal(await tellsSpeakers(engine, await talk()), false)
      assert.equal(await tellsSpeakers(engine, await talk()), false)
      assert.equal(requests.length, 1)
      await assert.rejects(engine.transcribe(await talk({ options: speakers })), {
        code: 'engine_failed',
      })
    }
    const { url, requests } = await vllmServer({ script })
    assert.equal(await tellsSpeakers(engineAt(url), await talk()), false)
    assert.equal(requests.length, 0)
  })

  it('are announced where the model is named after them', () => {
    const named = engineAt('http://127.0.0.1:9/v1', 'gpt-4o-transcribe-diarize')
    assert.equal(named.abilities.speakers, true)
  })
})

describe('an answer without a length', () => {
  it('of one word says nothing against a server that gave true times', async () => {
    let isOdd = false
    const { url } = await faithful((answer) =>
      isOdd ? { segments: [{ start: 5, end: 5, text: 'Thank you.' }], text: 'Thank you.' } : answer,
    )
    const engine = engineAt(url)
    assertTrue(await engine.transcribe(await talk()))
    isOdd = true
    await engine.transcribe(await talk())
    isOdd = false
    const recognised = await engine.transcribe(await talk())
    assertTrue(recognised)
    assert.deepEqual(recognised.warnings, [])
  })
})

describe('a connection that is cut', () => {
  it('is made once more for a window', async () => {
    let cuts = 0
    const { url } = await vllmServer({ script, refuse: () => (cuts++ % 5 === 2 ? 'cut' : null) })
    assertTrue(await engineAt(url).transcribe(await talk()))
    assert.ok(cuts > 5)
  })

  it('fails the part when it is cut again', async () => {
    const { url } = await vllmServer({ script, refuse: () => 'cut' })
    await assert.rejects(engineAt(url).transcribe(await talk()), /closed the connection/)
  })
})
