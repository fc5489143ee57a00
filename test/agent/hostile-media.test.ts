import assert from 'node:assert/strict'
import { readdir, readFile, stat, utimes, writeFile, chmod, mkdir } from 'node:fs/promises'
import { createServer } from 'node:http'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { execa } from 'execa'
import {
  decodingLimits,
  findLimiter,
  hardLimits,
  limited,
  mostSeconds,
  readingLimits,
  watchingLimits,
} from '../../agent/media/child-limits.ts'
import { MOONSHINE } from '../../agent/engines/moonshine/definition.ts'
import { SherpaEngine } from '../../agent/engines/sherpa/engine.ts'
import { keyFrames } from '../../agent/media/keyframes.ts'
import { extractSubtitles } from '../../agent/media/extract-subtitles.ts'
import { decode, probe } from '../../agent/media/media.ts'
import { parseProbe } from '../../agent/media/media-info.ts'
import { refusal } from '../../agent/media/media-refusal.ts'
import { limitOf, runTool, type ToolRun } from '../../agent/media/media-tool.ts'
import { modelsDir } from '../../agent/paths.ts'
import { createPipeline } from '../../agent/work/pipeline.ts'
import { Slots } from '../../agent/gpu/slots.ts'
import { createVoiceDetector } from '../../agent/transcription/voice-detector.ts'
import { AppError, isRetryable, type ErrorCode } from '../../shared/errors.ts'
import { CLIPS, ffmpeg, makeMute, testTools } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { aviWithSubtitles, matroska, wav } from './hostile-files.ts'
import { programCode } from '../../scripts/processes.ts'

const folder = tempFolder()
const tools = await testTools()
const signal = new AbortController().signal
const at = (name: string): string => path.join(folder, name)
const quiet = { signal, onProgress: (): void => undefined }

async function file(name: string, content: string | Buffer): Promise<string> {
  await writeFile(at(name), content)
  return at(name)
}

/** Passes for an error that no other try will mend, in words that say nothing of where the file lies. */
const permanent = (code: ErrorCode, words: RegExp) => (error: unknown) => {
  assert.ok(error instanceof AppError, String(error))
  assert.equal(error.code, code, error.message)
  assert.equal(isRetryable(error), false)
  assert.match(error.message, words)
  assert.ok(!error.message.includes(folder), error.message)
  return true
}

describe('a text that names other files, called .mp4', () => {
  let url = ''
  let requests = 0
  const server = createServer((_, response) => {
    requests += 1
    response.end()
  })
  before(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    assert.ok(address !== null && typeof address === 'object')
    url = `http://127.0.0.1:${address.port}/secret.ts`
  })
  after(() => server.close())

  const long = (name: string): string => `file://${at(name)}`
  const TEXTS: Record<string, [what: RegExp, text: (secret: string) => string]> = {
    'an HLS playlist': [
      /^The file is a playlist \(HLS\), not audio or video\.$/,
      (secret) => `#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n${secret}\n#EXT-X-ENDLIST\n`,
    ],
    'an ffconcat script': [/ffconcat/, (secret) => `ffconcat version 1.0\nfile '${secret}'\n`],
    'an SVG picture': [
      /SVG/,
      (secret) =>
        `<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9" height="9"><image xlink:href="${secret}"/></svg>`,
    ],
    'a DASH manifest': [
      /DASH/,
      (secret) =>
        `<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT9S"><Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1"><BaseURL>${secret}</BaseURL></Representation></AdaptationSet></Period></MPD>`,
    ],
    'an XML file with an entity': [
      /XML/,
      (secret) => `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "${secret}">]><x>&e;</x>`,
    ],
    'a description of a stream': [
      /SDP/,
      () => 'v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n',
    ],
  }

  for (const [name, [what, text]] of Object.entries(TEXTS)) {
    it(`is refused for good when it is ${name}, and nothing that it names is read`, async () => {
      const secret = await file('secret.wav', await readFile(CLIPS.austen.file))
      // Read last so long ago that reading it now is noted (where a file system notes that at all).
      const longAgo = new Date(Date.now() - 3 * 24 * 3600 * 1000)
      await utimes(secret, longAgo, longAgo)
      const { atimeMs } = await stat(secret)
      for (const named of [secret, long('secret.wav'), url]) {
        const list = await file('list.mp4', text(named))
        const refused = permanent('invalid_media', what)
        await assert.rejects(probe(tools, list, { signal }), refused)
        await assert.rejects(decode(tools, list, 0, at('list.wav'), quiet), refused)
        await assert.rejects(extractSubtitles(tools, list, 0, { signal }), refused)
        const pictures = { dir: folder, signal, durationSeconds: 9 }
        await assert.rejects(keyFrames(tools, list, pictures), refused)
      }
      assert.equal((await stat(secret)).atimeMs, atimeMs)
      assert.equal(requests, 0)
    })
  }

  it('is not followed as the subtitles of an AVI file either', async () => {
    const text = await file(
      'text.avi',
      aviWithSubtitles('1\n00:00:00,000 --> 00:00:01,000\nHi\n\n'),
    )
    assert.deepEqual((await probe(tools, text, { signal })).subtitles.length, 1)
    const list = `#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:9,\n${url}\n#EXT-X-ENDLIST\n`
    const avi = await file('list.avi', aviWithSubtitles(list))
    const { audio } = await probe(tools, avi, { signal })
    assert.equal(audio.length, 1)
    await decode(tools, avi, 0, at('avi.wav'), quiet)
    assert.equal(requests, 0)
  })
})

describe('hours of silence in a tiny file', () => {
  it('fill neither the disk nor the day: what no such file can hold is left out', async () => {
    const bomb =
      await ffmpeg`-f lavfi -i anullsrc=r=8000:cl=mono -t 7300 -c:a flac -compression_level 0
      -frame_size 65535 ${at('bomb.flac')}`
    const { size } = await stat(bomb)
    assert.ok(size < 200_000, `${size} bytes`)
    const media = await probe(tools, bomb, { signal })
    assert.equal(media.durationSeconds, 0)
    assert.equal(media.claimedSeconds, 7_300)
    const { cutShort } = await decode(tools, bomb, 0, at('bomb.wav'), { ...quiet, media })
    assert.ok(cutShort)
    const decoded = (await stat(at('bomb.wav'))).size
    assert.ok(decoded <= decodingLimits(mostSeconds(size)).fileBytes)
    assert.ok(decoded < 512 * 1024 * 1024, `${decoded} bytes`)
  })

  it('are read to their end where the file is as large as silence usually is', async () => {
    const still =
      await ffmpeg`-f lavfi -i anullsrc=r=16000:cl=mono -t 4000 -c:a flac -compression_level 0 ${at('still.flac')}`
    const media = await probe(tools, still, { signal })
    const { cutShort } = await decode(tools, still, 0, at('still.wav'), { ...quiet, media })
    assert.equal(cutShort, false)
    assert.equal(media.claimedSeconds, undefined)
  })
})

describe('a header that lies', () => {
  it('is not believed when it claims 30 hours for a few bytes, and the rest is read', async () => {
    const long = await file('long.mkv', matroska({ seconds: 30 * 3600 }))
    const media = await probe(tools, long, { signal })
    assert.deepEqual([media.durationSeconds, media.claimedSeconds], [0, 108_000])
    assert.deepEqual(await decode(tools, long, 0, at('long.wav'), { ...quiet, media }), {
      cutShort: false,
      clockJumps: false,
      brokenOff: null,
    })
    assert.ok((await stat(at('long.wav'))).size < 64_000)
  })

  it('is refused for good when it claims more tracks than there are films', async () => {
    const many = await file('many.mkv', matroska({ tracks: 10_000 }))
    await assert.rejects(
      probe(tools, many, { signal }),
      permanent('unsupported_media', /^The file has more tracks than are read \(1000\)\.$/),
    )
  })

  it('is read as long as it has no more than a thousand', async () => {
    const some = await file('some.mkv', matroska({ tracks: 900 }))
    const media = await probe(tools, some, { signal })
    assert.equal(media.audio.length, 900)
    await decode(tools, some, 0, at('some.wav'), { ...quiet, media })
  })

  for (const [claim, content] of Object.entries({
    '0 Hz': wav({ rate: 0 }),
    '1 Hz': wav({ rate: 1 }),
    '1 Hz in Matroska': matroska({ rate: 1 }),
    '2147483647 Hz': wav({ rate: 2 ** 31 - 1 }),
    '2 GHz in Matroska': matroska({ rate: 2e9 }),
    '4294967295 Hz': wav({ rate: 2 ** 32 - 1 }),
    'no channel': wav({ channels: 0 }),
    '300 channels': wav({ channels: 300 }),
    '65535 channels': wav({ channels: 65_535 }),
    '65535 channels in Matroska': matroska({ channels: 65_535 }),
  })) {
    it(`is refused for good when it claims ${claim}`, async () => {
      const absurd = await file('absurd.mp4', content)
      await assert.rejects(
        async () => {
          const media = await probe(tools, absurd, { signal })
          await decode(tools, absurd, 0, at('absurd.wav'), { ...quiet, media })
        },
        permanent('invalid_media', /^The file (is not readable|says that its sound has) .*\.$/),
      )
    })
  }

  it('may claim what recorders make: 4 kHz, 384 kHz, sixteen channels', async () => {
    for (const honest of [{ rate: 4000 }, { rate: 384_000 }, { channels: 16 }]) {
      const odd = await file('odd.wav', wav(honest))
      const media = await probe(tools, odd, { signal })
      await decode(tools, odd, 0, at('odd-out.wav'), { ...quiet, media })
    }
  })

  it('may say more than fits anywhere: the titles are cut, or the file refused', async () => {
    const title = 'x'.repeat(1000)
    const media = parseProbe(
      JSON.stringify({
        format: { format_name: 'mov,mp4' },
        streams: [{ codec_type: 'audio', codec_name: 'aac', sample_rate: '8000', channels: 1 }],
        chapters: Array.from({ length: 5000 }, (_, i) => ({ start_time: i, tags: { title } })),
      }),
    )
    assert.equal(media.chapters.length, 2000)
    assert.ok(media.chapters.every((chapter) => chapter.title.length === 300))
    const wordy = await file('ffprobe-wordy', '#!/bin/sh\nhead -c 5000000 /dev/zero | tr "\\0" x\n')
    await chmod(wordy, 0o755)
    await assert.rejects(
      probe({ ...tools, ffprobe: wordy }, CLIPS.jfk.file, { signal }),
      permanent('unsupported_media', /tracks, chapters and titles/),
    )
  })
})

const CURSED =
  'One\n# Forged\r\n- **Language**: xx\u001b[2J\u001b]0;t\u0007\u009b31m\u202egnol\u2066\u200f'
const UNPRINTABLE =
  // oxlint-disable-next-line no-control-regex
  /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/

/** A recording whose every word is meant to harm: titles, chapters, subtitles. */
async function cursedFilm(): Promise<string> {
  const escaped = CURSED.replace(/[\\=;#\n]/g, (one) => `\\${one}`)
  const meta = await file(
    'cursed.txt',
    `;FFMETADATA1\ntitle=${escaped}\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=4000\ntitle=${escaped}\n`,
  )
  const said = CURSED.replaceAll('\n', ' ').replaceAll('\r', ' ')
  const srt = await file(
    'cursed.srt',
    `1\n00:00:01,000 --> 00:00:02,000\n${said}\n# Forged too\n\n`,
  )
  const film = await ffmpeg`-i ${CLIPS.jfk.file} -i ${await makeMute(folder)} -i ${srt} -i ${meta}
    -map 0:a -map 1:v -map 2:s -map_metadata 3 -c:a flac -c:v copy -c:s srt
    -metadata:s:a:0 ${`title=${CURSED}`} -metadata:s:a:0 ${'language=e\u001b[n\u202e'}
    -metadata:s:s:0 ${`title=${CURSED}`} ${at('cursed.mkv')}`
  // Its length, in milliseconds, as Matroska writes it.
  const bytes = await readFile(film)
  const claim = bytes.indexOf(Buffer.from('448988', 'hex'))
  assert.ok(claim > 0)
  bytes.writeDoubleBE(30 * 3600 * 1000, claim + 3)
  return await file('cursed.mkv', bytes)
}

describe('a film whose every word is meant to harm', () => {
  const engine = new SherpaEngine(MOONSHINE, { modelsDir: modelsDir(), threads: null })
  const pipeline = createPipeline({
    tools,
    engine,
    slots: new Slots([{ index: 0, gpu: null }]),
    vad: createVoiceDetector({ dir: modelsDir() }),
    speakers: { always: false, prefix: 'Speaker_', models: null, command: null },
    models: [],
  })
  after(() => pipeline.close())

  for (const [how, taskOptions] of [
    ['heard', {}],
    ['read from its subtitles', { prefer_subtitles: true }],
  ] as const) {
    it(`gives a clean transcript when it is ${how}`, async () => {
      const workDir = at('work')
      await mkdir(workDir, { recursive: true })
      const { content, metadata, transcript } = await pipeline.convert({
        jobId: 'j1',
        sourcePath: await cursedFilm(),
        filename: `${CURSED}.mkv`,
        contentType: 'video',
        taskOptions,
        workDir,
        signal,
        report: () => undefined,
      })
      assert.doesNotMatch(content, UNPRINTABLE)
      const headings = content.split('\n').filter((line) => line.startsWith('#'))
      assert.equal(headings.length, 4, content)
      assert.match(headings[0]!, /^# Video Analysis: One # Forged - \*\*Language\*\*: xx \[2J/)
      assert.match(headings[3]!, /^# One # Forged.* \[0\]$/)
      const facts = content.split('\n').filter((line) => line.startsWith('- '))
      assert.ok(!facts.some((line) => line.includes('Language')), content)
      assert.doesNotMatch(JSON.stringify(metadata), UNPRINTABLE)
      assert.doesNotMatch(JSON.stringify(metadata), /\\u001b|\\n|\\r/)
      assert.match(String(metadata['warnings']), /claims a length of 30:00:00/)
      assert.ok(transcript.durationSeconds < 12)
      assert.ok(transcript.segments.length > 0)
    })
  }

  /** The program as a user runs it. */
  function agent(...args: string[]) {
    return execa(process.execPath, [...programCode('agent'), ...args], {
      env: { PATH: process.env['PATH'] ?? '', HOME: folder, MORAG_MODELS_DIR: modelsDir() },
      extendEnv: false,
      reject: false,
      stdin: 'ignore',
    })
  }

  it('moves no cursor of a terminal by the name of a file that is not there', async () => {
    const name = at('a\n# Forged\u001b[2J\u202e.mkv')
    for (const command of ['transcribe', 'submit']) {
      const { stderr, exitCode } = await agent(command, name, '--verbose')
      assert.equal(exitCode, 2)
      assert.doesNotMatch(stderr, UNPRINTABLE)
      assert.ok(!stderr.split('\n').some((line) => line.startsWith('#')), stderr)
    }
  })

  it('moves no cursor of a terminal that transcribe writes to', async () => {
    const film = await file(
      'a\n# Forged\u001b[2J\u009b1m\u202egnol.mkv',
      await readFile(await cursedFilm()),
    )
    const args = ['transcribe', film, '--prefer-subtitles', '--log-level', 'debug']
    const { stdout, stderr, exitCode } = await agent(...args)
    assert.equal(exitCode, 0, stderr)
    assert.doesNotMatch(stdout, UNPRINTABLE)
    assert.doesNotMatch(stderr, UNPRINTABLE)
    assert.equal(stdout.split('\n').filter((line) => line.startsWith('#')).length, 4)
    assert.ok(!stderr.split('\n').some((line) => line.startsWith('#')))
  })

  it('says what is wrong with it without a character that a terminal obeys', async () => {
    const script = `#!/bin/sh\nprintf 'x\\n[mp4 @ 0x1] bad \\033[2J\\302\\233 \\342\\200\\256 tag' >&2\nexit 1\n`
    const evil = await file('ffprobe-evil', script)
    await chmod(evil, 0o755)
    await assert.rejects(
      probe({ ...tools, ffprobe: evil }, CLIPS.jfk.file, { signal }),
      (error: unknown) => {
        assert.ok(error instanceof AppError && error.code === 'invalid_media')
        assert.match(error.message, /: bad \[2J tag\.$/)
        return true
      },
    )
  })
})

describe('a program that reads a file', () => {
  const run = (more: Partial<ToolRun>): ToolRun => ({
    tool: 'ffmpeg',
    args: [],
    file: CLIPS.jfk.file,
    folder,
    limits: { cpuSeconds: 60, fileBytes: 1_000_000 },
    signal,
    ...more,
  })
  const noLimits = findLimiter() === null && 'prlimit is not here'

  it('gets next to nothing of our environment, and no key', async () => {
    const script = '#!/bin/sh\nenv\necho "$@"\n'
    const teller = await file('teller', script)
    await chmod(teller, 0o755)
    process.env['MORAG_API_KEY'] = 'sesame'
    process.env['FFREPORT'] = `file=${at('report.log')}`
    try {
      const { stdoutTail } = await runTool({ ...tools, ffmpeg: teller }, run({ args: ['-x'] }))
      assert.match(stdoutTail, /^GCONV_PATH=/m)
      assert.doesNotMatch(stdoutTail, /sesame|FFREPORT|MORAG_/)
    } finally {
      delete process.env['MORAG_API_KEY']
      delete process.env['FFREPORT']
    }
  })

  it('has its limits from the start', { skip: noLimits }, async () => {
    const teller = await file('ulimits', '#!/bin/sh\nfor one in t f n c; do ulimit -H$one; done\n')
    await chmod(teller, 0o755)
    const { stdoutTail } = await runTool(
      { ...tools, ffmpeg: teller },
      run({ limits: { cpuSeconds: 60, fileBytes: 1024 * 1024 } }),
    )
    const [time, blocks, files, core] = stdoutTail.trim().split('\n')
    assert.deepEqual([time, files, core], ['65', '256', '0'])
    assert.ok(blocks === '2048' || blocks === '1024', blocks)
  })

  it('is stopped when it writes more than it may', { skip: noLimits }, async () => {
    const input = ['-f', 'lavfi', '-i', 'anullsrc=r=16000:cl=mono', '-t', '3600']
    const out = at('flood.wav')
    const result = await runTool(tools, run({ args: ['-v', 'error', '-y', ...input, out] }))
    assert.equal(result.limit, 'size')
    assert.ok((await stat(out)).size <= 1_000_000)
    const error = await refusal(CLIPS.jfk.file, result)
    permanent('too_large', /more than a file of its size can hold/)(error)
  })

  it('is stopped when it computes longer than it may', { skip: noLimits }, async () => {
    const args = ['-v', 'error', '-f', 'lavfi', '-i', 'anoisesrc', '-f', 'null', '-']
    const result = await runTool(tools, run({ args, limits: { cpuSeconds: 1, fileBytes: 0 } }))
    assert.equal(result.limit, 'time')
    const error = await refusal(CLIPS.jfk.file, result)
    permanent('too_large', /takes much longer/)(error)
  })

  it('ended by somebody else says nothing of its file', async () => {
    const ended = { exitCode: 255, signal: null, stdoutTail: '', stderrTail: '' }
    const limits = { cpuSeconds: 600, fileBytes: 0 }
    assert.equal(limitOf(ended, limits, 5), null)
    assert.equal(limitOf(ended, limits, 700), 'time')
    assert.equal(limitOf({ ...ended, stderrTail: 'x: Operation not permitted' }, limits, 700), null)
    for (const result of [ended, { ...ended, exitCode: null, signal: 'SIGKILL' }]) {
      const error = await refusal(CLIPS.jfk.file, { ...result, limit: null })
      assert.equal(error.code, 'engine_failed')
      assert.ok(isRetryable(error))
    }
  })

  it('that is not there is missing, limits or not', async () => {
    await assert.rejects(
      runTool({ ...tools, ffmpeg: at('nothing') }, run({})),
      (error: unknown) => error instanceof AppError && error.code === 'engine_missing',
    )
  })

  it('leaves nothing of it behind in the work folder', async () => {
    const left = (await readdir(folder)).filter((name) => name.endsWith('.part'))
    assert.deepEqual(left, [])
  })
})

describe('the limits', () => {
  const free = {
    cpuSeconds: Infinity,
    fileBytes: Infinity,
    openFiles: Infinity,
    memoryBytes: Infinity,
  }
  const command = { file: '/usr/bin/ffmpeg', args: ['-i', 'file:/jobs/1/source'] }
  const limits = { cpuSeconds: 100, fileBytes: 5 }

  it('are set by prlimit, which then becomes the program', () => {
    assert.deepEqual(limited(command, limits, { program: '/bin/prlimit', ours: free }), {
      file: '/bin/prlimit',
      args: [
        '--cpu=100:105',
        '--fsize=5',
        '--nofile=256',
        `--data=${4 * 1024 ** 3}`,
        '--core=0',
        '--',
        '/usr/bin/ffmpeg',
        '-i',
        'file:/jobs/1/source',
      ],
    })
  })

  it('are left out where nothing can set them', () => {
    assert.equal(limited(command, limits, null), command)
  })

  it('never go beyond our own', () => {
    const ours = hardLimits(
      [
        'Limit                     Soft Limit           Hard Limit           Units     ',
        'Max cpu time              unlimited            102                  seconds   ',
        'Max file size             unlimited            unlimited            bytes     ',
        'Max data size             1000                 2000                 bytes     ',
        'Max open files            64                   128                  files     ',
      ].join('\n'),
    )
    assert.deepEqual(ours, {
      cpuSeconds: 102,
      fileBytes: Infinity,
      openFiles: 128,
      memoryBytes: 2000,
    })
    const { args } = limited(command, limits, { program: 'prlimit', ours })
    assert.deepEqual(args.slice(0, 4), [
      '--cpu=100:102',
      '--fsize=5',
      '--nofile=128',
      '--data=2000',
    ])
  })

  it('follow from how long the recording can be', () => {
    assert.equal(mostSeconds(0), 3600)
    assert.equal(mostSeconds(16 * 3600), 7200)
    assert.deepEqual(decodingLimits(3600), {
      cpuSeconds: 1500,
      fileBytes: 3600 * 32_000 + 1024 ** 2,
    })
    assert.deepEqual(readingLimits(1e9), { cpuSeconds: 600 + 6 * 3600, fileBytes: 0 })
    assert.equal(watchingLimits(100).cpuSeconds, 2600)
    assert.equal(watchingLimits(0).cpuSeconds, watchingLimits(1e9).cpuSeconds)
  })
})
