import assert from 'node:assert/strict'
import path from 'node:path'
import { describe, it } from 'node:test'
import type { KeptVoices } from '../../agent/diarization/kept-voices.ts'
import type { Engine } from '../../agent/engines/engine.ts'
import type { VoiceDetector } from '../../agent/transcription/voice-detector.ts'
import { convertFile, embeddedPipeline } from './embedded.ts'
import { ffmpeg, TEXT_ALONE } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { SIZE, toySpeakerModels } from './toy-speaker-models.ts'

interface Checkpoint {
  diarization: KeptVoices | null
}

const folder = tempFolder()
const TURN = 10
const SECONDS = 340
const SPANS = Array.from({ length: SECONDS / TURN }, (_, i) => ({
  start: i * TURN + 0.5,
  end: i * TURN + 9.5,
}))

/** Two "voices" in turn: noise below 1 kHz, noise above 3 kHz. */
async function conversation(): Promise<string> {
  const noise = ['-f', 'lavfi', '-i', `anoisesrc=d=${SECONDS}:c=white:a=0.4:r=16000:seed=5`]
  const silent = (from: number): string =>
    `volume=0:enable='gte(mod(t+${from},20),9.5)+lt(mod(t+${from},20),0.5)'`
  const filter = `[0:a]lowpass=f=1000,volume=3,${silent(0)}[l];[1:a]highpass=f=3000,${silent(10)}[h];[l][h]amix=inputs=2:normalize=0`
  return await ffmpeg`${noise} ${noise} -filter_complex ${filter} -ar 16000 -ac 1 ${path.join(folder, 'talk.wav')}`
}

/** Says a word for each span of speech. */
const engine: Engine = {
  info: { name: 'scripted', model: 'none', device: 'cpu', version: '1' },
  abilities: {
    ...TEXT_ALONE,
    partSeconds: 1000,
  },
  prepare: async () => undefined,
  transcribe: async ({ speech }) => ({
    language: 'en',
    segments: speech.map((span, i) => ({ ...span, text: `This is sentence number ${i}.` })),
    warnings: [],
  }),
  close: async () => undefined,
}
const vad: VoiceDetector = {
  method: 'silero',
  prepare: async () => undefined,
  find: async () => SPANS,
}
const models = await toySpeakerModels(path.join(folder, 'models'))
const pipeline = await embeddedPipeline({
  engine,
  vad,
  speakers: { always: true, prefix: 'Speaker_', models, command: null },
})
const recording = await conversation()

async function convert(checkpoint?: Checkpoint) {
  const checkpoints: Checkpoint[] = []
  const { transcript, metadata } = await convertFile(pipeline, folder, recording, {
    sha256: 'abc',
    checkpoint,
    onCheckpoint: (one) => checkpoints.push(JSON.parse(JSON.stringify(one)) as Checkpoint),
  })
  const speakers = transcript.segments.map(({ speaker }) => speaker)
  return { speakers, checkpoints, warnings: metadata['warnings'] }
}

describe('a recording whose speakers were being looked for', () => {
  it('goes on with the voices of its checkpoint, if they are of the same models', async () => {
    const whole = await convert()
    assert.deepEqual(
      whole.speakers,
      SPANS.map((_, i) => `Speaker_0${i % 2}`),
    )
    assert.deepEqual(whole.warnings, [])
    const kept = whole.checkpoints.map(({ diarization }) => diarization?.windows.length ?? 0)
    assert.deepEqual(kept, [0, 60, 67])
    const begun = whole.checkpoints[1]!
    const rest = await convert(begun)
    assert.deepEqual(rest.speakers, whole.speakers)
    assert.deepEqual(
      rest.checkpoints.map(({ diarization }) => diarization),
      [whole.checkpoints[2]!.diarization],
    )

    // All of it one voice: so it is seen that these are used, and not computed again.
    const { windows } = begun.diarization!
    const bytes = windows.map(({ voices }) => Buffer.from(voices, 'base64'))
    const voice = bytes[0]!.subarray(0, SIZE)
    const oneVoice = windows.map((one, i) => {
      const count = bytes[i]!.length / SIZE
      return {
        ...one,
        voices: Buffer.concat(Array.from({ length: count }, () => voice)).toString('base64'),
      }
    })
    const same = { ...begun.diarization!, windows: oneVoice }
    const used = await convert({ ...begun, diarization: same })
    assert.deepEqual(new Set(used.speakers.slice(0, 29)), new Set(['Speaker_00']))
    const other = await convert({ ...begun, diarization: { ...same, models: '1 a b' } })
    assert.deepEqual(other.speakers, whole.speakers)
    assert.equal(other.checkpoints.length, 2)
  })
})
