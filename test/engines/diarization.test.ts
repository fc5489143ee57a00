import assert from 'node:assert/strict'
import { mkdir, mkdtemp, symlink } from 'node:fs/promises'
import path from 'node:path'
import { before, describe, it } from 'node:test'
import { execa } from 'execa'
import { FIRST } from '../../agent/models/catalogue.ts'
import { ensureModel } from '../../agent/models/models.ts'
import { SPEAKER_MODELS } from '../../agent/models/sherpa-models.ts'
import { modelsDir } from '../../agent/paths.ts'
import { wordErrors } from '../../agent/wer.ts'
import { programCode } from '../../scripts/processes.ts'
import { segmentsOf, type Segment } from '../../shared/transcript.ts'
import { joinWavs } from '../../agent/audio/wav-write.ts'
import { diarize } from '../../agent/diarization/sherpa-diarize.ts'
import { pruneSpeakers, type Turn } from '../../agent/diarization/turns.ts'
import { speakerModels, type SpeakerModels } from '../../scripts/engines/speaker-models.ts'
import { CLIPS, makeSilence, tempFolder } from '../agent/fixtures.ts'

const folder = tempFolder()
const signal = new AbortController().signal
const { jfk, austen } = CLIPS
/** In seconds: turns begin and end at words, and clips with pauses. */
const NEAR = 0.8

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

/** The program, with the models where `models pull speakers` puts them. */
async function transcribed(file: string): Promise<Segment[]> {
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
