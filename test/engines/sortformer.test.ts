import assert from 'node:assert/strict'
import path from 'node:path'
import { before, describe, it } from 'node:test'
import { findLibrary } from '../../agent/engines/transcribe-cpp/library.ts'
import { sortformerDiarizer } from '../../agent/engines/transcribe-cpp/sortformer.ts'
import type { SlotDiarizer } from '../../agent/diarization/label-speakers.ts'
import { AppError } from '../../shared/errors.ts'
import { prepareEngines } from '../../scripts/engines/prepare.ts'
import { CLIPS, ffmpeg } from '../agent/fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { toySortformer } from './toy-sortformer.ts'

const folder = tempFolder()
const signal = new AbortController().signal
const CPU = { index: 0, gpu: null }
const { transcribeCpp: place, ggufModel } = await prepareEngines(['weights', 'transcribe-cpp'])
const library = findLibrary(place)!

/** Noise as two people: one below 600 Hz, one from 3500 to 5500 Hz, who speaks at the end with the first. */
async function talk(seconds: number): Promise<string> {
  const noise = `anoisesrc=d=${seconds}:c=white:a=0.5:r=16000:seed=4`
  const low = 'lowpass=f=600,lowpass=f=600,volume=4'
  const high = 'highpass=f=3500,highpass=f=3500,highpass=f=3500,lowpass=f=5500,volume=2'
  const silent = (between: string): string => `volume=0:enable='${between}'`
  const filter = `[0:a]${low},${silent('between(mod(t,12),3,9)')}[l];[1:a]${high},${silent('lt(mod(t,12),5)+between(mod(t,12),8,10)')}[h];[l][h]amix=inputs=2:normalize=0`
  const input = ['-f', 'lavfi', '-i', noise]
  return await ffmpeg`${input} ${input} -filter_complex ${filter} -ar 16000 -ac 1 -c:a pcm_s16le
    ${path.join(folder, `talk-${seconds}.wav`)}`
}

async function turnsIn(diarizer: SlotDiarizer, wavPath: string) {
  const count = { min: null, max: null }
  const onProgress = (): void => undefined
  return await diarizer({ wavPath, ...count, workDir: folder, slot: CPU, signal, onProgress })
}

describe('real transcribe-cpp with a Sortformer of hand-made weights', () => {
  const file = path.join(folder, 'toy.gguf')
  before(async () => await toySortformer(file))

  it('says who speaks when, also at once', async () => {
    const diarizer = sortformerDiarizer({ library, file, threads: null })
    // Longer than what the model takes at once, so that it carries its speakers on.
    const found = await turnsIn(diarizer, await talk(72))
    // Where noise breaks off, it clicks in all bins for a frame.
    const turns = found.filter(({ start, end }) => end - start > 0.1)
    const expected = Array.from({ length: 6 }, (_, i) => i * 12).flatMap((at) => [
      { start: at === 0 ? 0 : at - 3, end: at + 3, speaker: '1' },
      { start: at + 5, end: at + 8, speaker: '2' },
      { start: at + 10, end: at + 12, speaker: '2' },
    ])
    const all = [...expected, { start: 69, end: 72, speaker: '1' }].toSorted(
      (a, b) => a.start - b.start,
    )
    assert.deepEqual(
      turns.map(({ speaker }) => speaker),
      all.map(({ speaker }) => speaker),
    )
    for (const [i, { start, end }] of all.entries()) {
      assert.ok(Math.abs(turns[i]!.start - start) < 0.25, `${turns[i]!.start} for ${start}`)
      assert.ok(Math.abs(turns[i]!.end - end) < 0.25, `${turns[i]!.end} for ${end}`)
    }
  })

  it('finds nobody in silence', async () => {
    const silence = await ffmpeg`-f lavfi -t 3 -i anullsrc=r=16000:cl=mono -c:a pcm_s16le
      ${path.join(folder, 'silence.wav')}`
    assert.deepEqual(await turnsIn(sortformerDiarizer({ library, file, threads: 1 }), silence), [])
  })

  it('says that a model is not there, or is another', async () => {
    for (const [model, why] of [
      [path.join(folder, 'nowhere.gguf'), /--speaker-sortformer must name its file/],
      [CLIPS.jfk.file, /not there or is broken/],
      [ggufModel, /its model is no Sortformer/],
    ] as const) {
      const diarizer = sortformerDiarizer({ library, file: model, threads: null })
      await assert.rejects(
        turnsIn(diarizer, CLIPS.jfk.file),
        (error: AppError) => error.code === 'model_missing' && why.test(error.message),
      )
    }
  })
})
