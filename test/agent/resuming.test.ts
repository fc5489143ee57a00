import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import type { Engine } from '../../agent/engines/engine.ts'
import { MOONSHINE } from '../../agent/engines/moonshine/definition.ts'
import { SherpaEngine } from '../../agent/engines/sherpa/engine.ts'
import { modelsDir } from '../../agent/paths.ts'
import { Slots, type Slot } from '../../agent/gpu/slots.ts'
import type { Converted, Pipeline } from '../../agent/work/pipeline.ts'
import { AppError } from '../../shared/errors.ts'
import { wordErrors } from '../../agent/wer.ts'
import { convertFile, embeddedPipeline, remembering } from './embedded.ts'
import { CLIPS, ffmpeg } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'

type Checkpoint = Record<string, unknown>

const folder = tempFolder()
const moonshine = remembering(
  new SherpaEngine(MOONSHINE, { modelsDir: modelsDir(), threads: null }),
)

/** How much audio the engine was given, in seconds. */
let given = 0
const engine: Engine = {
  info: moonshine.info,
  // Short parts, so that a short recording has several.
  abilities: { ...moonshine.abilities, partSeconds: 15 },
  prepare: (slot, aborted) => moonshine.prepare(slot, aborted),
  async transcribe(request) {
    given += request.durationSeconds
    return await moonshine.transcribe(request)
  },
  close: () => moonshine.close(),
}
const pipeline = await embeddedPipeline({ engine })

async function convert(
  file: string,
  taskOptions: Record<string, unknown>,
  checkpoint?: Checkpoint,
  by = pipeline,
  onCheckpoint = (): void => undefined,
): Promise<{ converted: Converted; checkpoints: Checkpoint[]; seconds: number }> {
  const checkpoints: Checkpoint[] = []
  given = 0
  const converted = await convertFile(by, folder, file, {
    taskOptions,
    sha256: 'abc',
    checkpoint,
    // As the wire does, so that nothing is shared.
    onCheckpoint(one) {
      checkpoints.push(JSON.parse(JSON.stringify(one)) as Checkpoint)
      onCheckpoint()
    },
  })
  return { converted, checkpoints, seconds: given }
}

/** Three parts. */
async function series(extension: string): Promise<string> {
  const list = path.join(folder, 'list.txt')
  const files = [CLIPS.jfk.file, CLIPS.austen.file, CLIPS.jfk.file]
  await writeFile(list, files.map((one) => `file '${one}'\n`).join(''))
  const out = path.join(folder, `series.${extension}`)
  return await ffmpeg`-f concat -safe 0 -i ${list} ${out}`
}

/** A call: one speaks on the left, the other on the right, in turns. */
async function call(): Promise<string> {
  const { jfk, austen } = CLIPS
  return await ffmpeg`-i ${jfk.file} -i ${austen.file} -filter_complex
    [0:a]apad=whole_len=304000,asplit[a][b];[1:a]adelay=11500,apad=whole_len=304000,asplit[c][d];[a][b]concat=n=2:v=0:a=1[left];[c][d]concat=n=2:v=0:a=1[right];[left][right]join=inputs=2:channel_layout=stereo
    ${path.join(folder, 'call.wav')}`
}

/** Two slots, and an engine that begins the first part when the next two are in checkpoints. */
async function lastPartsFirst(): Promise<{ by: Pipeline; onCheckpoint: () => void }> {
  /** The slot of the first part: a job begins on it. */
  let first: Slot | undefined
  let isFirst = true
  let kept = 0
  let goOn = (): void => undefined
  const others = new Promise<void>((resolve) => (goOn = resolve))
  const by = await embeddedPipeline({
    slots: new Slots([0, 1].map((index) => ({ index, gpu: null }))),
    engine: {
      ...engine,
      async prepare(slot, aborted) {
        first ??= slot
        await engine.prepare(slot, aborted)
      },
      async transcribe(request) {
        if (request.slot === first && isFirst) {
          isFirst = false
          await others
        }
        return await engine.transcribe(request)
      },
    },
  })
  const onCheckpoint = (): void => {
    kept += 1
    if (kept === 2) goOn()
  }
  return { by, onCheckpoint }
}

describe('a recording that was begun', () => {
  for (const extension of ['wav', 'flac', 'm4a', 'mp3']) {
    it(`goes on after its last finished part, with the same text (${extension})`, async () => {
      const file = await series(extension)
      const whole = await convert(file, {})
      assert.ok(whole.checkpoints.length >= 3)
      for (const checkpoint of [whole.checkpoints[0], whole.checkpoints.at(-2)]) {
        const rest = await convert(file, {}, checkpoint)
        assert.deepEqual(rest.converted.metadata, whole.converted.metadata)
        assert.equal(rest.converted.content, whole.converted.content)
        assert.ok(rest.seconds < whole.seconds * 0.9, `${rest.seconds} of ${whole.seconds} s`)
      }
      const last = await convert(file, {}, whole.checkpoints.at(-1))
      assert.equal(last.seconds, 0)
      assert.deepEqual(last.converted.metadata, whole.converted.metadata)
    })
  }

  it('goes on after any set of finished parts, with the same text', async () => {
    const file = await series('wav')
    const whole = await convert(file, {})
    const { by, onCheckpoint } = await lastPartsFirst()
    const several = await convert(file, {}, undefined, by, onCheckpoint)
    assert.deepEqual(several.converted.metadata, whole.converted.metadata)
    const aheads = several.checkpoints.map(({ ahead }) => (ahead as unknown[]).length)
    assert.deepEqual(aheads.slice(0, 3), [1, 2, 0])
    for (const checkpoint of several.checkpoints.slice(0, 2)) {
      const rest = await convert(file, {}, checkpoint)
      assert.deepEqual(rest.converted.metadata, whole.converted.metadata)
      assert.ok(rest.seconds < whole.seconds * 0.9, `${rest.seconds} of ${whole.seconds} s`)
    }
  })

  it('is asked for terms that were said before the place where it goes on', async () => {
    const file = await series('wav')
    const by = await embeddedPipeline({
      engine: {
        ...engine,
        abilities: { ...engine.abilities, hotwords: true },
        async transcribe({ options: { hotwords } }) {
          const text = `I know Mr. ${hotwords ?? 'Nashwood'} well.`
          return { segments: [{ start: 0, end: 5, text }], language: 'en', warnings: [] }
        },
      },
    })
    const wish = { vocabulary: ['Dashwood'] }
    const whole = await convert(file, wish, undefined, by)
    assert.match(whole.converted.content, /Dashwood/)
    for (const checkpoint of whole.checkpoints) {
      const rest = await convert(file, wish, checkpoint, by)
      assert.deepEqual(rest.converted.metadata, whole.converted.metadata)
    }
  })

  it('says of its sound and its tracks what was said at its beginning', async () => {
    const { jfk, austen } = CLIPS
    const filters = '[0:a]volume=-40dB[a];[1:a]anull[b]'
    const file =
      await ffmpeg`-i ${jfk.file} -i ${austen.file} -filter_complex ${filters} -map [a] -map [b]
      -c:a flac -disposition:a:1 comment ${path.join(folder, 'quiet.mka')}`
    const whole = await convert(file, {})
    assert.match(
      String(whole.converted.metadata['warnings']),
      /turned up.*neither commentary nor description/,
    )
    const last = await convert(file, {}, whole.checkpoints.at(-1))
    assert.deepEqual(last.converted.metadata, whole.converted.metadata)
  })

  it('turns up again what is much quieter than the rest', async () => {
    const { jfk, austen } = CLIPS
    const inputs = ['-i', austen.file, '-i', austen.file, '-i', jfk.file]
    const filter = '[2:a]volume=-35dB[q];[0:a][1:a][q]concat=n=3:v=0:a=1'
    const file =
      await ffmpeg`${inputs} -filter_complex ${filter} ${path.join(folder, 'one-quiet.wav')}`
    const whole = await convert(file, {})
    assert.match(whole.converted.content, /country can do for you/)
    const rest = await convert(file, {}, whole.checkpoints[0])
    assert.deepEqual(rest.converted.metadata, whole.converted.metadata)
    assert.equal(rest.converted.content, whole.converted.content)
    assert.ok(rest.seconds < whole.seconds)
  })

  it('is left to others where another engine has decided on a language that this one does not know', async () => {
    const { checkpoints } = await convert(CLIPS.jfk.file, {})
    const told = { ...checkpoints[0], decided: { language: 'de', probability: 0.9 } }
    await assert.rejects(
      convert(CLIPS.jfk.file, {}, told),
      (error: unknown) => error instanceof AppError && error.code === 'unsupported_language',
    )
  })

  it('begins anew where the track cannot be decoded any more, with the one that can', async () => {
    const { jfk, austen } = CLIPS
    const filters = '[0:a][1:a]concat=n=2:v=0:a=1[a]'
    const file =
      await ffmpeg`-i ${austen.file} -i ${jfk.file} -i ${jfk.file} -filter_complex ${filters} -map [a] -map 2
      -c:a alac ${path.join(folder, 'two.mov')}`
    const whole = await convert(file, {})
    const bytes = await readFile(file)
    // The first track's sound is of a kind that nobody knows.
    bytes.write('nope', bytes.indexOf('alac'), 'latin1')
    const damaged = path.join(folder, 'damaged.mov')
    await writeFile(damaged, bytes)
    assert.equal(whole.checkpoints.length, 2)
    const anew = await convert(damaged, {})
    const rest = await convert(damaged, {}, whole.checkpoints[0])
    assert.match(whole.converted.content, /Dashwood/)
    assert.doesNotMatch(rest.converted.content, /Dashwood/)
    assert.deepEqual(rest.converted.metadata, anew.converted.metadata)
  })

  it('begins anew for other options, another source and what is no checkpoint', async () => {
    const file = await series('wav')
    const { checkpoints, seconds } = await convert(file, {})
    const [first] = checkpoints
    const lateVoice = { channel: null, speech: [{ start: 1, end: 2 }], doneUntil: 0 }
    for (const [options, checkpoint] of [
      [{ language: 'en' }, first],
      [{}, { ...first, source: 'other' }],
      [{}, { ...first, voices: 'none' }],
      [{}, { version: 2 }],
      // What says that the recording is longer than it is, or a call that it is not.
      [
        {},
        {
          ...first,
          seconds: 1e5,
          voices: [{ ...lateVoice, speech: [{ start: 9e4, end: 9.1e4 }] }],
        },
      ],
      [{}, { ...first, seconds: 1e5 }],
      [{}, { ...first, voices: [0, 1].map((channel) => ({ ...lateVoice, channel })) }],
    ] as const) {
      assert.equal((await convert(file, options, checkpoint)).seconds, seconds)
    }
  })
})

describe('a call on two channels', () => {
  it('says who speaks by the channel', async () => {
    const { converted } = await convert(await call(), { diarize: true })
    const { segments } = converted.transcript
    const said = (speaker: string): string =>
      segments
        .filter((one) => one.speaker === speaker)
        .map(({ text }) => text)
        .join(' ')
    const { jfk, austen } = CLIPS
    assert.equal(wordErrors(`${jfk.text} ${jfk.text}`, said('Speaker_00')).errors, 0)
    assert.ok(wordErrors(`${austen.text} ${austen.text}`, said('Speaker_01')).errors <= 2)
    assert.deepEqual(converted.metadata['speakers'], ['Speaker_00', 'Speaker_01'])
    const stats = converted.metadata['speaker_stats'] as { speaker: string; turns: number }[]
    assert.deepEqual(
      stats.map(({ speaker, turns }) => [speaker, turns]),
      [
        ['Speaker_00', 2],
        ['Speaker_01', 2],
      ],
    )
    assert.deepEqual(converted.metadata['warnings'], [])
    assert.match(
      converted.content,
      /\[00:00\]\[Speaker_00\] And so[^\n]*\n\[00:11\]\[Speaker_01\] And Mr/,
    )
  })

  it('goes on where it was, each channel for itself', async () => {
    const file = await call()
    const whole = await convert(file, { diarize: true })
    for (const checkpoint of whole.checkpoints.slice(0, -1)) {
      const rest = await convert(file, { diarize: true }, checkpoint)
      assert.deepEqual(rest.converted.metadata, whole.converted.metadata)
      assert.ok(rest.seconds < whole.seconds)
    }
  })

  it('is one voice by default', async () => {
    const { converted } = await convert(await call(), { limit_seconds: 19 })
    assert.deepEqual(converted.metadata['speakers'], [])
    assert.ok(converted.transcript.segments.every(({ speaker }) => speaker === undefined))
  })
})

describe('a recording whose speakers cannot be told apart', () => {
  it('comes without labels, and says so', async () => {
    const both = path.join(folder, 'both.wav')
    await ffmpeg`-i ${CLIPS.jfk.file} -ac 2 ${both}`
    for (const file of [CLIPS.jfk.file, both]) {
      const { converted } = await convert(file, { diarize: true })
      assert.equal(converted.transcript.segments.length, 1)
      assert.match(String(converted.metadata['warnings']), /Diarization failed/)
    }
  })
})
