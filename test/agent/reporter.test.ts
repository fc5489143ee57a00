import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { LineReporter } from '../../agent/progress/line-reporter.ts'
import type { Progress } from '../../agent/progress/progress.ts'
import { progressText, speedOf, Stopwatch } from '../../agent/progress/progress-text.ts'
import type { Level } from '../../agent/progress/reporter-kinds.ts'
import { SpinnerReporter } from '../../agent/progress/spinner-reporter.ts'
import { LOADER, moduleUrl } from '../../scripts/node-script.ts'

function lines(level: Level = 'info', times = false) {
  const written: string[] = []
  const stream = { write: (text: string) => written.push(text) }
  return { reporter: new LineReporter({ level, times, stream }), written }
}

const at = (stage: Progress['stage'], ratio: number): Progress => ({ stage, ratio })

describe('without a terminal', () => {
  it('a job is reported by its stages and by each tenth of it, no more', () => {
    const { reporter, written } = lines()
    const activity = reporter.begin('j1', 'talk.mp3')
    activity.update(at('downloading', 0))
    activity.update(at('downloading', 0.01))
    for (let part = 8; part <= 26; part += 1) activity.update(at('probing', part / 64))
    activity.done('done in 3.0 s')
    assert.deepEqual(written, [
      'talk.mp3: downloading 0 %\n',
      'talk.mp3: probing 12 %\n',
      'talk.mp3: probing 23 %\n',
      'talk.mp3: probing 34 %\n',
      'talk.mp3: done in 3.0 s\n',
    ])
  })

  it('warnings and errors are marked, and lower levels left out', () => {
    const { reporter, written } = lines('warn')
    for (const level of ['debug', 'info', 'warn', 'error'] as const) reporter.event(level, level)
    assert.deepEqual(written, ['warn: warn\n', 'error: error\n'])
  })

  it('a line may begin with the time', () => {
    const { reporter, written } = lines('info', true)
    reporter.event('info', 'hello')
    assert.match(written[0] ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z hello\n$/)
  })

  it('a name cannot make lines of its own or move the cursor', () => {
    const { reporter, written } = lines()
    reporter.begin('j1', 'a\u001b[2J\r\nerror: b.mp3').failed('It is\nno recording.')
    assert.deepEqual(written, ['error: a [2J error: b.mp3: It is no recording.\n'])
  })
})

describe('progress for people', () => {
  it('has the stage and the whole percents that are done', () => {
    assert.equal(progressText(at('decoding', 0.119), 0), 'decoding 11 %')
  })

  it('has the speed and what is left once there is enough to tell', () => {
    const progress: Progress = {
      stage: 'transcribing',
      ratio: 0.5,
      mediaSeconds: 600,
      processedSeconds: 300,
    }
    assert.equal(progressText(progress, 10_000), 'transcribing 50 %, 30.0× real time, 10s left')
    assert.equal(progressText(progress, 100), 'transcribing 50 %')
  })

  it('has no speed before a second was done', () => {
    assert.equal(speedOf(0.5, 10_000), null)
    assert.equal(speedOf(undefined, 10_000), null)
  })

  it('counts the time of recognition only', () => {
    let now = 0
    const stopwatch = new Stopwatch(() => now)
    stopwatch.text(at('loading', 0.15))
    now = 60_000
    stopwatch.text(at('transcribing', 0.16))
    now = 70_000
    const progress: Progress = { stage: 'transcribing', ratio: 0.3, processedSeconds: 20 }
    assert.match(stopwatch.text(progress), /, 2\.0× real time$/)
  })
})

describe('on a terminal', () => {
  /** A terminal that keeps what is drawn. */
  function terminal(hasColors: boolean) {
    const drawn: string[] = []
    const stream = {
      isTTY: true,
      columns: 80,
      hasColors: () => hasColors,
      write: (text: string) => drawn.push(text) > 0,
      cursorTo() {},
      clearLine() {},
      moveCursor() {},
      on() {},
      off() {},
      once() {},
      removeListener() {},
    }
    return { stream: stream as unknown as NodeJS.WriteStream, drawn }
  }

  it('lines stay above what moves, and the end of a job stays', () => {
    const { stream, drawn } = terminal(false)
    const reporter = new SpinnerReporter({ level: 'info', times: false, stream })
    const activity = reporter.begin('j1', 'talk.mp3')
    activity.update(at('transcribing', 0.5))
    reporter.event('info', 'The coordinator is back.')
    activity.done('done in 3.0 s')
    reporter.close()
    const text = drawn.join('')
    assert.match(text, /The coordinator is back\.\n/)
    assert.match(text, /talk\.mp3: done in 3\.0 s\n/)
  })

  it('a name cannot move the cursor, waited for or worked on', () => {
    const { stream, drawn } = terminal(false)
    const reporter = new SpinnerReporter({ level: 'info', times: false, stream })
    const name = 'a\n\u001b[2J\u202eb.mp3'
    reporter.idle(`${name}: waiting for an agent`)
    const activity = reporter.begin('j1', name)
    activity.update(at('transcribing', 0.5))
    activity.failed(name)
    reporter.close()
    assert.ok(!drawn.join('').includes('\u001b[2J') && !drawn.join('').includes('\u202e'))
    assert.ok(drawn.some((text) => text.includes('a [2Jb.mp3: waiting for an agent')))
  })

  it('without colours none is drawn', () => {
    const { stream, drawn } = terminal(false)
    const reporter = new SpinnerReporter({ level: 'info', times: false, stream })
    reporter.begin('j1', 'talk.mp3').update(at('transcribing', 0.5))
    reporter.close()
    // oxlint-disable-next-line no-control-regex
    assert.doesNotMatch(drawn.join(''), /\u001b\[3\d/)
  })
})

describe('createReporter', () => {
  const MODULE = moduleUrl(new URL('../../agent/progress/reporter.ts', import.meta.url))

  /** What a program that tells one thing writes, with a stream that claims to be a terminal of this width. */
  async function tell(format: 'text' | 'json' | 'none', columns: number, plain: boolean) {
    const script = `
      import { createReporter } from ${JSON.stringify(MODULE)}
      const stream = Object.assign(process.stderr, { isTTY: true, columns: ${columns} })
      const reporter = await createReporter({ level: 'info', format: '${format}', stream, plain: ${plain}, times: false })
      reporter.event('warn', 'hello', { job_id: 'j1' })
      reporter.idle('waiting')
      const activity = reporter.begin('j1', 'talk.mp3')
      activity.update({ stage: 'decoding', ratio: 0.1 })
      activity.done('done in 1.0 s')
      reporter.close()`
    const args = [...LOADER, '--input-type=module', '-e', script]
    return await execa(process.execPath, args, {
      cwd: fileURLToPath(new URL('.', import.meta.url)),
    })
  }

  for (const [title, columns, plain] of [
    ['a terminal without a width', 0, false],
    ['a terminal that may not be drawn on', 80, true],
  ] as const) {
    it(`writes lines on ${title}`, async () => {
      const { stdout, stderr } = await tell('text', columns, plain)
      assert.equal(stdout, '')
      assert.equal(stderr, 'warn: hello\ntalk.mp3: decoding 10 %\ntalk.mp3: done in 1.0 s')
    })
  }

  it('writes JSON lines on standard output, and nothing else, where asked for', async () => {
    const { stdout, stderr } = await tell('json', 80, false)
    assert.equal(stderr, '')
    const told = stdout.split('\n').map((line) => JSON.parse(line) as Record<string, unknown>)
    assert.deepEqual(
      told.map(({ msg, job_id }) => [msg, job_id]),
      [
        ['hello', 'j1'],
        ['job begun', 'j1'],
        ['job done', 'j1'],
      ],
    )
  })

  it('writes nothing where only output is wanted', async () => {
    const { stdout, stderr } = await tell('none', 80, false)
    assert.deepEqual([stdout, stderr], ['', ''])
  })
})
