import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { command } from '../../agent/engines/command/definition.ts'
import type { EngineSettings, OutputForm } from '../../agent/engines/definition.ts'
import { AppError, type ErrorCode } from '../../shared/errors.ts'
import { engineSettings, OPTIONS, requestFor } from './engine-request.ts'
import { gone, until } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const folder = tempFolder()
const { signal } = new AbortController()
const code = (expected: ErrorCode) => (error: unknown) =>
  error instanceof AppError && error.code === expected
const recorded = fileURLToPath(new URL('recorded/whisper-cpp/jfk.json', import.meta.url))

const settingsFor = (
  args: readonly string[],
  commandOutput: OutputForm,
  more: Partial<EngineSettings> = {},
): EngineSettings =>
  engineSettings(folder, { command: [process.execPath, ...args], commandOutput, ...more })

async function run(
  script: string,
  form: OutputForm,
  args: readonly string[] = ['{wav}', '{out}'],
  more: Parameters<typeof requestFor>[1] = {},
  settings: Partial<EngineSettings> = {},
) {
  const all = settingsFor(['-e', script, ...args], form, settings)
  const engine = command.create(all, await command.probe(all, signal))
  return await engine.transcribe(await requestFor(folder, more))
}

const write = (text: string): string =>
  `require('node:fs').writeFileSync(process.argv[2], ${JSON.stringify(text)})`
const print = (text: string): string => `process.stdout.write(${JSON.stringify(text)})`

describe('the engine command', () => {
  it('runs a program with what a job asks for, each thing in its own argument', async () => {
    const args = ['{wav}', '{out}', '--l={language}', '{task}', '{model}', '{prompt}']
    const options = { ...OPTIONS, language: 'de', prompt: '--output /etc/{out} $(id)' }
    const { segments } = await run(
      `require('node:fs').writeFileSync(process.argv[2], JSON.stringify(process.argv.slice(3)))`,
      'text',
      args,
      { options },
      { model: 'own' },
    )
    assert.deepEqual(JSON.parse(segments[0]?.text ?? ''), [
      '--l=de',
      'transcribe',
      'own',
      ' --output /etc/{out} $(id)',
    ])
  })

  it("reads whisper.cpp's JSON and OpenAI's", async () => {
    const cpp = await run(write(await readFile(recorded, 'utf8')), 'whisper-json')
    assert.equal(cpp.segments[0]?.words?.length, 22)
    assert.equal(cpp.language, 'en')
    const openai = await run(
      write(
        '{"language":"german","segments":[{"start":1,"end":2,"text":" Ja, \\"transcription\\": so","avg_logprob":NaN}]}',
      ),
      'whisper-json',
    )
    assert.deepEqual(openai.segments, [{ start: 1, end: 2, text: 'Ja, "transcription": so' }])
    assert.equal(openai.language, 'de')
  })

  it('finds what the program writes beside {outbase}, or under a name of its own in {outdir}', async () => {
    const save = (name: string, text: string): string =>
      `require('node:fs').writeFileSync(${name}, ${JSON.stringify(text)});`
    const srt = '1\n00:00:01,000 --> 00:00:02,000\nYes\n'
    const said = async (script: string, args: string[]): Promise<string[]> =>
      (await run(script, 'srt', args)).segments.map(({ text }) => text)
    const base = save(`process.argv[2] + '.srt'`, srt) + save(`process.argv[2] + '.txt'`, 'Yes')
    assert.deepEqual(await said(base, ['{wav}', '{outbase}']), ['Yes'])
    const own = save(`process.argv[2] + '/7f.srt'`, srt) + save(`process.argv[2] + '/7f.vtt'`, 'No')
    assert.deepEqual(await said(own, ['{wav}', '{outdir}']), ['Yes'])
    const several =
      save(`process.argv[2] + '/jfk.srt'`, srt) + save(`process.argv[2] + '/a.srt'`, '')
    assert.deepEqual(await said(several, ['{wav}', '{outdir}']), ['Yes'])
    const unclear =
      save(`process.argv[2] + '/a.srt'`, srt) + save(`process.argv[2] + '/b.srt'`, srt)
    await assert.rejects(
      said(unclear, ['{wav}', '{outdir}']),
      /2 files \*\.srt.*\(a\.srt, b\.srt\)/,
    )
    await assert.rejects(
      said(`console.log('Error transcribing file')`, ['{wav}', '{outdir}']),
      /wrote no transcript: Error transcribing file/,
    )
  })

  it('reads lines with times, and knows messages between them from speech', async () => {
    const printed = [
      '[  0.3,   2.6]: Yes, and',
      '[00:00:02.700 --> 00:00:04.000]  no.',
      'Number of threads: 2',
      '5.012 -- 6.500: Perhaps',
      '7.000 -- 7.100: ',
    ].join('\n')
    const { segments } = await run(print(printed), 'timed-lines', ['{wav}'])
    assert.deepEqual(segments, [
      { start: 0.3, end: 2.6, text: 'Yes, and' },
      { start: 2.7, end: 4, text: 'no.' },
      { start: 5.012, end: 6.5, text: 'Perhaps' },
    ])
    assert.deepEqual((await run(print('\n'), 'timed-lines', ['{wav}'])).segments, [])
    await assert.rejects(run(print('No times.'), 'timed-lines', ['{wav}']), /not timed-lines/)
  })

  it('cuts audio for text without times as short as its times are to be exact', async () => {
    const seconds = async (form: OutputForm): Promise<number> => {
      const settings = settingsFor(['{wav}'], form)
      return command.create(settings, await command.probe(settings, signal)).abilities.partSeconds
    }
    assert.equal(await seconds('text'), 28)
    assert.equal(await seconds('timed-lines'), 1800)
  })

  it('reads subtitles and text, from its standard output when there is no {out}', async () => {
    const options = { ...OPTIONS, language: 'en' }
    const srt = '1\n00:00:01,000 --> 00:00:99,000\nYes\n'
    const subtitles = await run(print(srt), 'srt', ['{wav}'], { options })
    assert.deepEqual(subtitles.segments, [{ start: 1, end: 11, text: 'Yes' }])
    assert.equal(subtitles.language, 'en')
    const text = await run(print('Yes,\nand no.\n'), 'text', ['{wav}'])
    assert.deepEqual(text.segments, [{ start: 0.3, end: 10.4, text: 'Yes, and no.' }])
    assert.deepEqual((await run(print(' \n'), 'text', ['{wav}'])).segments, [])
  })

  const failures: [string, string, OutputForm, ErrorCode][] = [
    ['writes nothing and is content', '', 'srt', 'engine_failed'],
    ['writes something else', write('Segmentation fault'), 'vtt', 'engine_failed'],
    ['writes half of it', write('{"segments":[{"start":1,'), 'whisper-json', 'engine_failed'],
    [
      'ends with a code',
      'console.error("no such model"); process.exit(4)',
      'text',
      'engine_failed',
    ],
    ['crashes', 'process.kill(process.pid, "SIGABRT")', 'text', 'engine_failed'],
    [
      'is out of memory',
      'console.error("torch.cuda.OutOfMemoryError: CUDA out of memory."); process.exit(1)',
      'text',
      'gpu_out_of_memory',
    ],
  ]
  for (const [what, script, form, expected] of failures) {
    it(`is ${expected} when the program ${what}`, async () => {
      await assert.rejects(run(script, form), code(expected))
    })
  }

  it('ends with the error that the settings give for an exit code, known messages or not', async () => {
    const exitCodes = { 3: 'model_missing', 65: 'invalid_media' } as const
    const ends = (exit: number): Promise<unknown> =>
      run(
        `console.error("/a/b: CUDA out of memory"); process.exit(${exit})`,
        'text',
        ['{wav}'],
        {},
        { exitCodes },
      )
    await assert.rejects(ends(65), {
      code: 'invalid_media',
      message: /ended with code 65, which --engine-exit-codes calls invalid_media: b: CUDA/,
    })
    await assert.rejects(ends(3), { code: 'model_missing' })
    await assert.rejects(ends(4), { code: 'gpu_out_of_memory' })
  })

  it('ends the program and all it started when it is cancelled', async () => {
    const script = path.join(folder, 'hang.cjs')
    await writeFile(
      script,
      `const { spawn } = require('node:child_process')
       const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
       require('node:fs').writeFileSync(${JSON.stringify(path.join(folder, 'pids'))}, process.pid + ' ' + child.pid)
       require('node:fs').writeFileSync(${JSON.stringify(path.join(folder, 'up'))}, '')
       setInterval(() => {}, 1000)`,
    )
    const all = settingsFor([script, '{wav}'], 'text')
    const engine = command.create(all, await command.probe(all, signal))
    const stop = new AbortController()
    const running = engine.transcribe(await requestFor(folder, { signal: stop.signal }))
    const reason = new Error('cancelled')
    await until(() => existsSync(path.join(folder, 'up')), running)
    stop.abort(reason)
    await assert.rejects(running, reason)
    const pids = (await readFile(path.join(folder, 'pids'), 'utf8')).split(' ').map(Number)
    for (const pid of pids) await gone(pid)
  })

  it('is no use without a program, a place for the audio, or the model it asks for', async () => {
    const bad: [EngineSettings, RegExp][] = [
      [engineSettings(folder), /--engine-command/],
      [engineSettings(folder, { command: ['/nowhere/x', '{wav}'] }), /no program '\/nowhere\/x'/],
      [settingsFor(['-v'], 'text'), /\{wav\}/],
      [settingsFor(['{wav}', '{model}'], 'text'), /--model/],
    ]
    for (const [settings, why] of bad) {
      const probe = await command.probe(settings, signal)
      assert.equal(probe.usable, false)
      assert.match(probe.why, why)
      assert.throws(() => command.create(settings, probe), AppError)
    }
  })

  it('can do what its command has a place for', async () => {
    const few = settingsFor(['{wav}'], 'srt')
    const many = settingsFor(['{wav}', '{task}', '{prompt}'], 'whisper-json')
    const abilities = async (settings: EngineSettings) =>
      command.create(settings, await command.probe(settings, signal)).abilities
    const { translate, prompt, words } = await abilities(few)
    assert.deepEqual([translate, prompt, words], [false, false, false])
    const more = await abilities(many)
    assert.deepEqual([more.translate, more.prompt, more.words], [true, true, true])
  })
})
