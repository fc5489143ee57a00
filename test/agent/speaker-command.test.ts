import assert from 'node:assert/strict'
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { readRttm } from '../../agent/diarization/rttm.ts'
import { labelSpeakers } from '../../agent/diarization/label-speakers.ts'
import { Slots } from '../../agent/gpu/slots.ts'
import { speakerCommand } from '../../agent/settings/setting-values.ts'
import { AppError } from '../../shared/errors.ts'
import { CLIPS, gone } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const folder = tempFolder()
const SEGMENTS = [
  { start: 0, end: 4, text: 'How are you?' },
  { start: 4.5, end: 9, text: 'Fine, thank you.' },
]
const RTTM = `SPEAKER piece 1 0.10 4.00 <NA> <NA> bert <NA> <NA>
SPEAKER piece 1 4.40 4.80 <NA> <NA> anna <NA> <NA>
`

interface Scene {
  /** The program, as an ECMAScript module; `wav` and `rttm` are its arguments, then those of `more`. */
  code: string
  more?: string
  limitMs?: number
  min?: number
  max?: number
  signal?: AbortSignal
  onReport?: (line: string) => void
}

async function label(scene: Scene) {
  const { code, more = '--rttm {rttm}', limitMs = 60_000, min = null, max = null } = scene
  const { signal = new AbortController().signal, onReport } = scene
  const workDir = await mkdtemp(path.join(folder, 'job-'))
  const script = path.join(workDir, 'program.mjs')
  await writeFile(script, `import { writeFileSync } from 'node:fs'\n${code}`)
  const slots = new Slots([{ index: 0, gpu: null }])
  const reported: string[] = []
  const labelled = await labelSpeakers(SEGMENTS, {
    settings: {
      always: true,
      prefix: 'Speaker_',
      models: null,
      command: {
        template: speakerCommand(`'${process.execPath}' '${script}' {wav} ${more}`),
        limitMs,
      },
    },
    wavPath: CLIPS.jfk.file,
    count: { min, max },
    workDir,
    slots,
    signal,
    report(stage, ratio) {
      reported.push(`${stage} ${ratio}`)
      onReport?.(reported.at(-1)!)
    },
  })
  assert.equal(slots.free, 1)
  assert.deepEqual(
    labelled.segments.map(({ text }) => text),
    SEGMENTS.map(({ text }) => text),
  )
  const speakers = labelled.segments.map(({ speaker = null }) => speaker)
  return { speakers, warnings: labelled.warnings, reported, workDir }
}

const writes = (text: string): string => `writeFileSync(process.argv[4], ${JSON.stringify(text)})`

describe('a speaker command', () => {
  it('labels segments by the RTTM that it writes, in the order of first words', async () => {
    const { speakers, warnings } = await label({ code: writes(RTTM) })
    assert.deepEqual([speakers, warnings], [['Speaker_00', 'Speaker_01'], []])
  })

  it('writes to its standard output where its command has no {rttm}', async () => {
    const { speakers } = await label({ code: `console.log(${JSON.stringify(RTTM)})`, more: '' })
    assert.deepEqual(speakers, ['Speaker_00', 'Speaker_01'])
  })

  it('gets the recording and the number of speakers, 1 and 20 where a job names none', async () => {
    const code = `writeFileSync('args.json', JSON.stringify(process.argv.slice(2)))`
    const more = '--min {min} --max={max}'
    const named = await label({ code, more, min: 2, max: 3 })
    const open = await label({ code, more })
    const args = async (workDir: string): Promise<unknown> =>
      JSON.parse(await readFile(path.join(workDir, 'args.json'), 'utf8'))
    assert.deepEqual(await args(named.workDir), [CLIPS.jfk.file, '--min', '2', '--max=3'])
    assert.deepEqual(await args(open.workDir), [CLIPS.jfk.file, '--min', '1', '--max=20'])
  })

  it('reports the progress that it prints', async () => {
    const { reported } = await label({
      code: `console.error('segmentation 25 %\\nembedding 3/4'); ${writes(RTTM)}`,
    })
    assert.deepEqual(reported, ['waiting 0', 'diarizing 0', 'diarizing 0.25', 'diarizing 0.75'])
  })

  for (const [title, code, warning] of [
    ['crashes', `process.kill(process.pid, 'SIGSEGV'); setInterval(() => {}, 9)`, /SIGSEGV/],
    [
      'is killed for its memory',
      `process.kill(process.pid, 'SIGKILL'); setInterval(() => {}, 9)`,
      /SIGKILL/,
    ],
    [
      'runs out of the GPU’s',
      `console.error('CUDA out of memory'); process.exit(3)`,
      /CUDA out of/,
    ],
    ['writes rubbish', writes('not a turn in sight\n'), /Line 1 of the RTTM cannot be read/],
    ['writes times that are none', writes('SPEAKER a 1 x 2 <NA> <NA> b <NA> <NA>'), /'x' and '2'/],
    ['writes nothing', '', /wrote no RTTM/],
    ['finds no speaker', writes(''), /found no speaker/],
  ] as const) {
    it(`that ${title} costs the labels and not the text`, async () => {
      const { speakers, warnings } = await label({ code })
      assert.deepEqual(speakers, [null, null])
      assert.equal(warnings.length, 1)
      assert.match(warnings[0]!, warning)
    })
  }

  it('may find one speaker, or fifty', async () => {
    const turns = (count: number): string =>
      Array.from(
        { length: count },
        (_, i) => `SPEAKER a 1 ${(i * 9) / count} ${9 / count} <NA> <NA> s${i} <NA> <NA>\n`,
      ).join('')
    const one = await label({ code: writes(turns(1)) })
    assert.deepEqual([one.speakers, one.warnings], [['Speaker_00', 'Speaker_00'], []])
    const fifty = await label({ code: writes(turns(50)), min: 20, max: 20 })
    assert.equal(fifty.speakers[0], 'Speaker_00')
    assert.ok(fifty.speakers.every((name) => name !== null))
    assert.deepEqual(fifty.warnings, [])
  })

  it('that hangs is ended at its limit', async () => {
    const { speakers, warnings } = await label({
      code: `setInterval(() => {}, 1000); process.on('SIGTERM', () => process.exit(0))`,
      limitMs: 200,
    })
    assert.deepEqual(speakers, [null, null])
    assert.match(warnings[0]!, /it took too long/)
  })

  it('ends with the job while it runs, and the job with its reason', async () => {
    const controller = new AbortController()
    const reason = new AppError('cancelled', 'enough')
    const pidFile = path.join(folder, 'pid')
    const labelled = label({
      code: `writeFileSync(process.argv[5], String(process.pid))
        console.error('1 %'); setInterval(() => {}, 1000)`,
      more: `--rttm {rttm} '${pidFile}'`,
      signal: controller.signal,
      onReport: (line) => line === 'diarizing 0.01' && controller.abort(reason),
    })
    await assert.rejects(labelled, (error) => error === reason)
    await gone(Number(await readFile(pidFile, 'utf8')))
  })

  it('is refused without a place for the recording', () => {
    assert.throws(() => speakerCommand('diarize --rttm {rttm}'), /has no \{wav\}/)
  })
})

describe('RTTM', () => {
  it('is read by start, without comments, other types and turns without a length', () => {
    const text = `;; made by a test
SPKR-INFO a 1 <NA> <NA> <NA> unknown anna <NA>
SPEAKER a 1 3 1.5 <NA> <NA> bert <NA> <NA>\r
\t
SPEAKER a 1 0.5 2 <NA> <NA> anna
SPEAKER a 1 9 0 <NA> <NA> bert <NA> <NA>`
    assert.deepEqual(readRttm(text), [
      { start: 0.5, end: 2.5, speaker: 'anna' },
      { start: 3, end: 4.5, speaker: 'bert' },
    ])
  })

  it('is read as pyannote.core 6.1.0 and NeMo write it', () => {
    const pyannote = `SPEAKER talk 1 1.300 2.360 <NA> <NA> SPEAKER_00 <NA> <NA>
SPEAKER talk 1 3.570 3.090 <NA> <NA> SPEAKER_01 <NA> <NA>
`
    const nemo = `SPEAKER talk 1   1.300   2.360 <NA> <NA> speaker_0 <NA> <NA>
SPEAKER talk 1   3.570   3.090 <NA> <NA> speaker_1 <NA> <NA>
`
    for (const text of [pyannote, nemo]) {
      assert.deepEqual(
        readRttm(text).map(({ start, end }) => [start, Number(end.toFixed(3))]),
        [
          [1.3, 3.66],
          [3.57, 6.66],
        ],
      )
    }
  })

  it('names the line that cannot be read', () => {
    for (const [line, why] of [
      ['SPEAKER a 1 0 1', /Line 2 .* 5 fields/],
      ['SPEAKER a 1 -1 1 <NA> <NA> b', /Line 2 .* no start and duration/],
      ['SPEAKER a 1 0 Infinity <NA> <NA> b', /Line 2 .* no start and duration/],
      ['{"speaker": "anna"}', /Line 2 .* does not begin with a type/],
    ] as const) {
      assert.throws(() => readRttm(`;; first\n${line}`), why)
    }
  })
})
