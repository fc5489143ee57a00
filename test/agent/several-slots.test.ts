import assert from 'node:assert/strict'
import path from 'node:path'
import { describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { Engine, Recognised } from '../../agent/engines/engine.ts'
import { Slots } from '../../agent/gpu/slots.ts'
import { PLAIN_MIX } from '../../agent/media/mix.ts'
import {
  checkpointOf,
  readCheckpoint,
  resumeDraft,
  usableAhead,
  type Checkpoint,
} from '../../agent/transcription/checkpoint.ts'
import { recognise } from '../../agent/transcription/recognise.ts'
import { TranscriptDraft } from '../../agent/transcription/transcript-draft.ts'
import { lengthOf } from '../../agent/audio/parts.ts'
import type { Span } from '../../shared/span.ts'
import { planPieces } from '../../agent/transcription/pieces.ts'
import { AppError } from '../../shared/errors.ts'
import { seededRandom } from '../shared/seeded-random.ts'
import { SEED } from '../shared/kills.ts'
import { makeSilence, TEXT_ALONE } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { readByVersion1 } from './recorded/checkpoint-version-1.ts'

const SECONDS = 60
const folder = tempFolder()
const wavPath = await makeSilence(folder, SECONDS)
const MADE = {
  source: 'abc',
  options: '[]',
  engine: { name: 'scripted', model: 'none', device: 'cpu', version: '1' },
  track: 0,
}

/** Speech of one voice, or of the two of a call. */
function someSpeech(random: () => number): Span[] {
  const speech: Span[] = []
  for (let at = random() * 4; at < SECONDS - 5;) {
    const end = at + 1 + random() * 3
    speech.push({ start: at, end })
    at = end + random() * 3
  }
  return speech
}

type Said = Omit<Recognised, 'segments'>

/** An engine that says when each part begins; its parts end by chance, in any order. */
function engineOf(random: () => number, said: (from: number) => Said | AppError): Engine {
  const none = async (): Promise<void> => undefined
  return {
    info: MADE.engine,
    abilities: {
      ...TEXT_ALONE,
      deterministic: true,
      partSeconds: 6,
    },
    prepare: none,
    close: none,
    async transcribe(request) {
      const { speech, durationSeconds, signal } = request
      const turns = Math.floor(random() * 30)
      for (let n = 0; n < turns; n++) {
        await turn()
        request.onProgress((durationSeconds * n) / turns)
      }
      signal.throwIfAborted()
      const answer = said(durationSeconds)
      if (answer instanceof AppError) throw answer
      const segments = speech.map(({ start, end }) => ({
        start,
        end,
        text: `From ${start.toFixed(3)} to ${end.toFixed(3)} of ${durationSeconds.toFixed(3)}.`,
      }))
      return { ...answer, segments }
    },
  }
}

/** What is said of a part follows from its length alone, so that it is the same each time. */
function byLength(seconds: number): Said {
  const n = Math.round(seconds * 1000)
  const isInvented = n % 5 === 0
  return {
    language: 'en',
    languageProbability: (n % 89) / 100,
    warnings: n % 3 === 0 ? [`A part of ${n} ms.`] : [],
    doubt: { words: 20, differing: isInvented ? 15 : n % 7 },
  }
}

interface Outcome {
  draft: TranscriptDraft
  /** How often the engine was asked. */
  asked: number
  checkpoints: Checkpoint[]
  progress: number[]
}

/** Recognises speech on so many slots, or what a checkpoint leaves of it. */
async function run(
  engine: Engine,
  count: number,
  speech: readonly (readonly Span[])[],
  checkpoint?: Checkpoint,
): Promise<Outcome> {
  const isCall = speech.length > 1
  const voices = speech.map((spans, channel) => ({
    channel: isCall ? channel : null,
    mix: PLAIN_MIX,
    wavPath,
    speech: spans,
    doneUntil: checkpoint?.voices[channel]?.doneUntil ?? 0,
  }))
  const audio = {
    voices,
    wavPath,
    vadMethod: 'silero' as const,
    offsetSeconds: 0,
    seconds: SECONDS,
    resumed: false,
  }
  const draft =
    checkpoint === undefined ? new TranscriptDraft() : resumeDraft(checkpoint, engine.info)
  const outcome: Outcome = { draft, asked: 0, checkpoints: [], progress: [] }
  const partSeconds = engine.abilities.partSeconds
  const [first] = planPieces(voices, [], { partSeconds, totalSeconds: SECONDS })
  let goOn = (): void => undefined
  const another = new Promise<void>((resolve) => (goOn = resolve))
  const counted: Engine = {
    ...engine,
    async transcribe(request) {
      outcome.asked += 1
      const isFirst = Math.abs(request.durationSeconds - lengthOf(first!.part)) < 0.001
      // On two slots the second part ends first.
      if (isFirst && count === 2 && checkpoint === undefined) await another
      return await engine.transcribe(request)
    },
  }
  const slots = new Slots(Array.from({ length: count }, (_, index) => ({ index, gpu: null })))
  await recognise(counted, slots, {
    jobId: 'j1',
    audio,
    isNew: checkpoint === undefined,
    ahead: usableAhead(checkpoint ?? null, engine.info),
    asked: null,
    languages: null,
    tag: null,
    options: {
      language: null,
      task: 'transcribe',
      prompt: null,
      hotwords: null,
      words: false,
      speakers: null,
      model: null,
    },
    workDir: path.join(folder, `work-${count}`),
    signal: new AbortController().signal,
    draft,
    report: (_, seconds) => outcome.progress.push(seconds),
    onPart: (ahead) => {
      goOn()
      const made = checkpointOf(MADE, audio, draft, ahead)
      // As the wire does, so that nothing is shared.
      outcome.checkpoints.push(JSON.parse(JSON.stringify(made)) as Checkpoint)
    },
  })
  assert.equal(slots.free, count)
  return outcome
}

function textOf({ draft }: Outcome) {
  const { decided, languages, segments, dropped, warnings } = draft
  return { decided, languages, segments, dropped, warnings }
}

function withoutLanguages(outcome: Outcome) {
  const { segments, ...rest } = textOf(outcome)
  return { ...rest, segments: segments.map((one) => ({ ...one, language: '' })) }
}

describe('a recording on several slots', () => {
  it(`has the same transcript as on one, also when it is resumed from any checkpoint (seed ${SEED})`, async () => {
    const random = seededRandom(SEED)
    for (let round = 0; round < 4; round++) {
      const speech = [someSpeech(random)]
      if (round % 2 === 1) speech.push(someSpeech(random))
      const engine = engineOf(random, byLength)
      const one = await run(engine, 1, speech).catch((error: unknown) => error)
      for (const count of [2, 3]) {
        const several = await run(engine, count, speech).catch((error: unknown) => error)
        // The first part may be in a language that the engine does not know.
        if (one instanceof AppError || several instanceof AppError) {
          assert.deepEqual(String(several), String(one))
          continue
        }
        const { progress, checkpoints } = several as Outcome
        assert.deepEqual(textOf(several as Outcome), textOf(one as Outcome))
        assert.deepEqual(
          progress,
          progress.toSorted((a, b) => a - b),
        )
        assert.equal(progress.at(-1), SECONDS)
        const at = count === 2 ? 0 : Math.floor(random() * checkpoints.length)
        const sent = checkpoints[at]!
        if (count === 2) assert.equal(sent.ahead.length, 1)
        const left = checkpoints.length - at - 1
        const byOld = readByVersion1(sent)
        assert.ok(byOld !== null)
        // An agent of before recognises again what is ahead, and knows no language of a segment.
        const reads: [Checkpoint | null, number, typeof textOf][] = [
          [readCheckpoint(sent, 'abc', '[]'), left, textOf],
          [{ ...byOld, ahead: [], diarization: null }, left + sent.ahead.length, withoutLanguages],
        ]
        for (const [read, asked, compared] of reads) {
          assert.ok(read !== null)
          const rest = await run(engine, 1 + Math.floor(random() * 3), speech, read)
          assert.deepEqual(compared(rest), compared(one as Outcome))
          assert.equal(rest.asked, asked)
        }
      }
    }
  })

  it('is refused by its first part, whichever ends first', async () => {
    const random = seededRandom(1)
    const speech = [
      { start: 0.5, end: 5 },
      { start: 10, end: 13 },
    ]
    const known: Said = { language: 'en', warnings: [], doubt: { words: 20, differing: 0 } }
    const foreign: Said = { language: 'en', warnings: [], doubt: { words: 20, differing: 15 } }
    for (let round = 0; round < 5; round++) {
      const isFirst = (seconds: number): boolean => seconds > 4.5
      const refused = engineOf(random, (seconds) => (isFirst(seconds) ? foreign : known))
      await assert.rejects(run(refused, 2, [speech]), { code: 'unsupported_language' })
      const kept = engineOf(random, (seconds) => (isFirst(seconds) ? known : foreign))
      const { draft } = await run(kept, 2, [speech])
      assert.equal(draft.segments.length, 2)
      assert.match(draft.warnings.join(), /another language/)
    }
  })
})
