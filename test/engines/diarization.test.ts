import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, symlink } from 'node:fs/promises'
import path from 'node:path'
import { before, describe, it } from 'node:test'
import { execa } from 'execa'
import { FIRST } from '../../agent/models/catalogue.ts'
import { ensureModel } from '../../agent/models/models.ts'
import { SPEAKER_MODELS } from '../../agent/models/sherpa-models.ts'
import { modelsDir } from '../../agent/paths.ts'
import { wordErrors } from '../../agent/wer.ts'
import { programCode, startCoordinator, type Running } from '../../scripts/processes.ts'
import { childrenCpuSeconds } from '../../scripts/bench/cpu-time.ts'
import { segmentsOf, type Segment } from '../../shared/transcript.ts'
import { joinWavs } from '../../agent/audio/wav-write.ts'
import type { KeptVoices, VoicesOfAttempts } from '../../agent/diarization/kept-voices.ts'
import { diarize } from '../../agent/diarization/sherpa-diarize.ts'
import { pruneSpeakers, type Turn } from '../../agent/diarization/turns.ts'
import { speakerModels, type SpeakerModels } from '../../scripts/engines/speaker-models.ts'
import { CLIPS, makeSilence } from '../agent/fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { startAgent, TestClient } from '../conversion-set-up.ts'
import { engineFlags } from '../faults/held-programs.ts'

const folder = tempFolder()
const signal = new AbortController().signal
const { jfk, austen } = CLIPS
/** In seconds: turns begin and end at words, and clips with pauses. */
const NEAR = 0.8

/** What a checkpoint says of voices. */
interface Kept {
  diarization?: KeptVoices | null
}

let models: SpeakerModels

before(async () => {
  models = await speakerModels({ signal })
})

async function spoken(clips: readonly { file: string }[], name: string): Promise<string> {
  const target = path.join(folder, `${name}.wav`)
  const files = clips.map(({ file }) => file)
  await joinWavs(files, target, signal)
  return target
}

async function turnsIn(
  wavPath: string,
  [min, max]: [number | null, number | null] = [null, null],
): Promise<Turn[]> {
  return pruneSpeakers(await diarize(wavPath, { ...models, min, max, signal }))
}

/** Speakers as letters, in the order of their first turns, and when each begins and ends. */
function runsOf(turns: readonly Turn[]): { speaker: string; start: number; end: number }[] {
  const names = [...new Set(turns.map(({ speaker }) => speaker))]
  const runs: { speaker: string; start: number; end: number }[] = []
  for (const { speaker, start, end } of turns) {
    const letter = 'ABCDEFG'[names.indexOf(speaker)]!
    const last = runs.at(-1)
    if (last?.speaker === letter) last.end = end
    else runs.push({ speaker: letter, start, end })
  }
  return runs
}

/** A folder of models, with those of speakers where `models pull speakers` puts them. */
async function allModels(): Promise<string> {
  const dir = await mkdtemp(path.join(folder, 'models-'))
  for (const { name } of FIRST) {
    const place = await ensureModel(name, { dir: modelsDir(), signal })
    await mkdir(path.dirname(path.join(dir, name)), { recursive: true })
    await symlink(place, path.join(dir, name))
  }
  await mkdir(path.join(dir, 'sherpa'))
  for (const part of ['segmentation', 'embedding'] as const) {
    const name = SPEAKER_MODELS[part].replace('sherpa/', '')
    await symlink(models[part], path.join(dir, 'sherpa', `${name}.onnx`))
  }
  return dir
}

async function transcribed(file: string): Promise<Segment[]> {
  const dir = await allModels()
  const args = ['transcribe', file, '--diarize', '--format', 'json', '--engine', 'moonshine']
  const { stdout } = await execa(process.execPath, [...programCode('agent'), ...args], {
    env: { MORAG_MODELS_DIR: dir, MORAG_OFFLINE: '1' },
  })
  return segmentsOf(JSON.parse(stdout) as Record<string, unknown>)!
}

describe('diarization by real models', () => {
  it('finds two people who speak in turns, and when', async () => {
    const runs = runsOf(await turnsIn(await spoken([jfk, austen, jfk], 'turns')))
    assert.deepEqual(
      runs.map(({ speaker }) => speaker),
      ['A', 'B', 'A'],
    )
    const second = jfk.seconds + 1
    const third = second + austen.seconds + 1
    for (const [i, start] of [0, second, third].entries()) {
      assert.ok(Math.abs(runs[i]!.start - start) < NEAR, `${runs[i]!.start} is not near ${start}`)
    }
  })

  it('finds one person, and none in silence', async () => {
    assert.equal(new Set((await turnsIn(jfk.file)).map(({ speaker }) => speaker)).size, 1)
    assert.deepEqual(await turnsIn(await makeSilence(folder, 5)), [])
  })

  it('labels what the bundled engine recognises, each speaker with their own words', async () => {
    const segments = await transcribed(await spoken([jfk, austen], 'transcribed'))
    const said = (speaker: string): string =>
      segments
        .filter((one) => one.speaker === speaker)
        .map(({ text }) => text)
        .join(' ')
    assert.ok(wordErrors(jfk.text, said('Speaker_00')).errors <= 2, said('Speaker_00'))
    assert.ok(wordErrors(austen.text, said('Speaker_01')).errors <= 4, said('Speaker_01'))
  })

  it('keeps to the number that is asked for, as far as there are people', async () => {
    const file = await spoken([jfk, austen], 'two')
    const count = (turns: readonly Turn[]): number =>
      new Set(turns.map(({ speaker }) => speaker)).size
    assert.equal(count(await turnsIn(file, [1, 1])), 1)
    assert.equal(count(await turnsIn(file, [2, 2])), 2)
    assert.ok(count(await turnsIn(file, [20, 20])) >= 2)
  })
})

describe('diarization of a recording that was begun', () => {
  /** Eight minutes: the voices of five are in a checkpoint. */
  const ROUNDS = 24

  it('does the rest after its agent was killed, with the same labels', async () => {
    const file = await spoken(Array.from({ length: ROUNDS }, () => [jfk, austen]).flat(), 'long')
    const dir = await allModels()
    const coordinator = await startCoordinator(path.join(folder, 'data'), folder, {
      args: ['--lease', '3s'],
    })
    const client = new TestClient(coordinator.url)
    const says = await engineFlags(folder, 'says', { says: 'One. Two. Three. Four. Five.' })
    const agent = (name: string): Running =>
      startAgent(coordinator.url, folder, name, ...says, '--once', '--models-dir', dir)
    const jobId = await client.upload(file, 'audio', { diarize: true })
    const first = agent('first')
    const checkpoint = path.join(folder, 'data', 'checkpoints', `${jobId}.json`)
    const windowsKept = (): number =>
      existsSync(checkpoint)
        ? ((JSON.parse(readFileSync(checkpoint, 'utf8')) as Kept).diarization?.windows.length ?? 0)
        : 0
    await client.until(jobId, ({ status }) => status === 'completed' || windowsKept() > 0)
    const kept = windowsKept()
    assert.ok(kept >= 60, `${kept} windows`)
    first.signal('SIGKILL')
    await first.ended
    const second = agent('second')
    const job = await client.ended(jobId)
    assert.deepEqual(
      job.attempts.map(({ worker_id: worker, outcome }) => [worker, outcome]),
      [
        ['first', 'lost'],
        ['second', 'completed'],
      ],
    )
    await second.ended
    const undisturbed = await client.upload(file, 'audio', { diarize: true })
    const third = agent('third')
    await client.ended(undisturbed)
    await third.ended
    const [rest, whole] = [await client.result(jobId), await client.result(undisturbed)]
    assert.deepEqual(rest.metadata.segments, whole.metadata.segments)
    assert.equal(new Set(whole.metadata.segments.map(({ speaker }) => speaker)).size, 2)
    assert.deepEqual(rest.metadata.warnings, whole.metadata.warnings)
    coordinator.signal('SIGKILL')
  })

  it('computes no window twice', async () => {
    const file = await spoken(Array.from({ length: ROUNDS }, () => [jfk, austen]).flat(), 'twice')
    const settings = { ...models, min: null, max: null }
    const cpuOf = async (voices: VoicesOfAttempts, until = signal) => {
      const before = childrenCpuSeconds()
      const turns = await diarize(file, { ...settings, signal: until, voices }).catch(() => null)
      return { turns, seconds: childrenCpuSeconds() - before }
    }
    let begun: KeptVoices | null = null
    const controller = new AbortController()
    const killed = await cpuOf(
      {
        begun: null,
        keep(voices) {
          begun = JSON.parse(JSON.stringify(voices)) as KeptVoices
          controller.abort(new Error('killed'))
        },
      },
      controller.signal,
    )
    const rest = await cpuOf({ begun, keep() {} })
    const whole = await cpuOf({ begun: null, keep() {} })
    assert.equal(killed.turns, null)
    assert.deepEqual(rest.turns, whole.turns)
    assert.ok(rest.seconds < whole.seconds * 0.6, `${rest.seconds} of ${whole.seconds} s`)
  })
})
