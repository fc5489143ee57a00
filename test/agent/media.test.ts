import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { chmod, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { extractSubtitles } from '../../agent/media/extract-subtitles.ts'
import { decode, probe } from '../../agent/media/media.ts'
import { parseProbe } from '../../agent/media/media-info.ts'
import { canSeekExactly } from '../../agent/media/decode-args.ts'
import { readWavHeader, WavReader } from '../../agent/audio/wav.ts'
import { AppError, type ErrorCode } from '../../shared/errors.ts'
import { AUDIO, CLIPS, ffmpeg, makeMedia, makeMute, testTools, VIDEO } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { seededBytes } from '../shared/seeded-random.ts'

const folder = tempFolder()
const tools = await testTools()
const signal = new AbortController().signal
const at = (name: string): string => path.join(folder, name)
const quiet = { signal, onProgress: (): void => undefined }
const code = (expected: ErrorCode) => (error: unknown) =>
  error instanceof AppError && error.code === expected

/** A file with this content. */
async function file(name: string, content: string | Buffer): Promise<string> {
  await writeFile(at(name), content)
  return at(name)
}

describe('probe', () => {
  for (const extension of [...AUDIO, ...VIDEO]) {
    it(`knows what is in ${extension}, and decode reads it`, async () => {
      const media = await makeMedia(folder, 'jfk', extension)
      const info = await probe(tools, media, { signal })
      assert.equal(info.audio.length, 1)
      assert.equal(info.video !== null, (VIDEO as readonly string[]).includes(extension))
      // A raw AAC stream has no length in it; ffprobe guesses.
      assert.ok(Math.abs(info.durationSeconds - 11) < (extension === 'aac' ? 3 : 0.2))
      assert.match(info.mimeType ?? '', info.video ? /^video\// : /^audio\//)
      const wav = at(`jfk-${extension}.wav`)
      const seen: number[] = []
      await decode(tools, media, 0, wav, { signal, onProgress: (seconds) => seen.push(seconds) })
      const header = await readWavHeader(wav)
      assert.equal(header.sampleRate, 16_000)
      assert.equal(header.channels, 1)
      assert.ok(Math.abs(header.durationSeconds - 11) < 0.2)
      assert.ok(Math.abs((seen.at(-1) ?? 0) - 11) < 0.2)
    })
  }

  it('tells tracks, languages, chapters and text subtitles of a film', async () => {
    const srt = await file(
      'de.srt',
      '1\n00:00:01,000 --> 00:00:02,500\n<i>Hallo</i>\nWelt\n\n2\n00:00:03,000 --> 00:00:04,000\nEnde\n',
    )
    const meta = await file(
      'chapters.txt',
      ';FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=4000\ntitle=One\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=4000\nEND=7000\n',
    )
    const film = await ffmpeg`-f lavfi -i testsrc=size=160x120:rate=30000/1001
      -i ${CLIPS.jfk.file} -i ${CLIPS.austen.file} -i ${srt} -i ${meta}
      -map 0:v -map 1:a -map 2:a -map 3:s -map_metadata 4 -t 7
      -c:v libx264 -preset ultrafast -c:a flac -c:s srt
      -metadata:s:a:0 language=eng -metadata:s:a:1 language=ger -metadata:s:s:0 language=ger
      -disposition:a:0 0 -disposition:a:1 default ${at('film.mkv')}`
    const info = await probe(tools, film, { signal })
    const tracks = info.audio.map((one) => ({ ...one, durationSeconds: 0 }))
    assert.deepEqual(tracks, [
      {
        index: 0,
        codec: 'flac',
        sampleRate: 16_000,
        channels: 1,
        bitDepth: 16,
        language: 'eng',
        default: false,
        durationSeconds: 0,
      },
      {
        index: 1,
        codec: 'flac',
        sampleRate: 16_000,
        channels: 1,
        bitDepth: 16,
        language: 'ger',
        default: true,
        durationSeconds: 0,
      },
    ])
    assert.deepEqual(info.video, { width: 160, height: 120, fps: 29.97, codec: 'h264' })
    assert.deepEqual(info.chapters, [
      { startSeconds: 0, endSeconds: 4, title: 'One' },
      { startSeconds: 4, endSeconds: 7, title: '' },
    ])
    assert.deepEqual(info.subtitles, [{ index: 0, codec: 'subrip', language: 'ger', text: true }])
    assert.equal(info.mimeType, 'video/x-matroska')
    assert.deepEqual(await extractSubtitles(tools, film, 0, { signal }), [
      { start: 1, end: 2.5, text: 'Hallo Welt' },
      { start: 3, end: 4, text: 'Ende' },
    ])
  })

  it('tells what subtitles are for, by their flags or their titles', async () => {
    const srt = await file('short.srt', '1\n00:00:01,000 --> 00:00:02,000\nHallo\n')
    const titles = ["title=Director's commentary", 'title=English (SDH)', 'title=English']
    const film = await ffmpeg`-i ${srt} -i ${srt} -i ${srt} -i ${srt}
      -map 0 -map 1 -map 2 -map 3 -c:s srt -disposition:s:0 forced
      -metadata:s:s:1 ${titles[0]!} -metadata:s:s:2 ${titles[1]!} -metadata:s:s:3 ${titles[2]!}
      ${at('purposes.mkv')}`
    const track = { codec: 'subrip', language: null, text: true }
    assert.deepEqual((await probe(tools, film, { signal })).subtitles, [
      { index: 0, ...track, forced: true },
      { index: 1, ...track, commentary: true },
      { index: 2, ...track, hearingImpaired: true },
      { index: 3, ...track },
    ])
    const flags = (disposition: Record<string, number>) => ({
      codec_type: 'subtitle',
      codec_name: 'subrip',
      disposition,
    })
    const streams = [flags({ hearing_impaired: 1 }), flags({ comment: 1 }), flags({ default: 1 })]
    const json = JSON.stringify({ format: { format_name: 'matroska,webm' }, streams })
    assert.deepEqual(parseProbe(json).subtitles, [
      { index: 0, ...track, hearingImpaired: true },
      { index: 1, ...track, commentary: true },
      { index: 2, ...track },
    ])
  })

  it('knows what is in an MPEG transport stream', async () => {
    const stream = await ffmpeg`-i ${CLIPS.austen.file} -c:a aac ${at('austen.ts')}`
    const media = await probe(tools, stream, { signal })
    assert.equal(media.format, 'mpegts')
    assert.equal(media.audio[0]?.codec, 'aac')
    await decode(tools, stream, 0, at('austen-ts.wav'), { ...quiet, media })
    const { durationSeconds } = await readWavHeader(at('austen-ts.wav'))
    assert.ok(Math.abs(durationSeconds - 7.1) < 0.2)
  })

  it('does not take a cover for a video', async () => {
    const cover = await ffmpeg`-f lavfi -i color=red:size=64x64 -frames:v 1 ${at('cover.png')}`
    const song = await ffmpeg`-i ${CLIPS.jfk.file} -i ${cover} -map 0:a -map 1:v -c:v copy
      -disposition:v attached_pic ${at('song.mp3')}`
    const info = await probe(tools, song, { signal })
    assert.equal(info.video, null)
    assert.equal(info.mimeType, 'audio/mpeg')
  })

  for (const extension of ['mp3', 'wav', 'mp4', 'aac', 'ts', 'flac', 'ac3', 'bin']) {
    it(`or decode calls random bytes named .${extension} invalid_media`, async () => {
      for (const size of [3_000, 200_000]) {
        const noise = await file(`noise.${extension}`, seededBytes(size, size))
        await assert.rejects(async () => {
          await probe(tools, noise, { signal })
          await decode(tools, noise, 0, at('noise.wav'), quiet)
        }, code('invalid_media'))
      }
    })
  }

  it('takes neither random bytes that begin as lyrics do nor lyrics for a format to convert', async () => {
    // ffmpeg guesses LRC with a score of 5 of 100 wherever the first byte is `[`.
    const guessed = Buffer.concat([Buffer.from('['), seededBytes(1, 3_000)])
    const lyrics = '[ti:Song]\n[00:12.00]First line\n[00:17.20]Second line\n'
    const utf16 = Buffer.from(`\ufeff${lyrics}`, 'utf16le')
    for (const [name, content, said] of [
      ['noise.ac3', guessed, /not readable as audio or video: no audio or video format fits/],
      ['song.lrc', lyrics, /^The file is a text, not audio or video/],
      ['song16.lrc', utf16, /not audio or video|not readable as audio or video/],
    ] as const) {
      await assert.rejects(
        probe(tools, await file(name, content), { signal }),
        { code: 'invalid_media', message: said },
        name,
      )
    }
  })

  it('calls an empty file invalid_media and a missing one source_missing', async () => {
    await assert.rejects(
      probe(tools, await file('empty.mp3', ''), { signal }),
      code('invalid_media'),
    )
    await assert.rejects(probe(tools, at('nothing.mp3'), { signal }), code('source_missing'))
  })

  it('never follows a playlist to another file, whatever it is called', async () => {
    const secret = await makeMedia(folder, 'austen', 'mp3')
    const hls = (target: string): string =>
      `#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n${target}\n#EXT-X-ENDLIST\n`
    const lists = [
      ['a.m3u8', hls('file:///etc/passwd')],
      ['b.m3u8', hls(secret)],
      ['c.mp4', hls('http://127.0.0.1:9/x.ts')],
      ['d.ffconcat', 'ffconcat version 1.0\nfile /etc/passwd\n'],
      ['e.mp3', `ffconcat version 1.0\nfile ${secret}\n`],
      ['f.mpd', '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>'],
      ['g.sdp', 'v=0\no=- 0 0 IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n'],
    ] as const
    for (const [name, content] of lists) {
      const list = await file(name, content)
      await assert.rejects(probe(tools, list, { signal }), code('invalid_media'), name)
      await assert.rejects(
        decode(tools, list, 0, at('list.wav'), quiet),
        code('invalid_media'),
        name,
      )
    }
  })

  it('takes a name that looks like an address or an option for the name it is', async () => {
    const content = await readFile(CLIPS.austen.file)
    for (const name of ['http:x.wav', '-y.wav', 'concat:a|b.wav', 'a%03d ü.wav']) {
      const info = await probe(tools, await file(name, content), { signal })
      assert.equal(info.format, 'wav')
    }
  })
})

describe('decode', () => {
  it('keeps the time of a track that begins late', async () => {
    const late = await ffmpeg`-f lavfi -i testsrc=size=160x120:rate=10
      -itsoffset 5 -i ${CLIPS.austen.file} -map 0:v -map 1:a -t 12
      -c:v libx264 -preset ultrafast -c:a flac ${at('late.mkv')}`
    await decode(tools, late, 0, at('late.wav'), quiet)
    const reader = await WavReader.open(at('late.wav'))
    const first = await reader.read(0, 16_000 * 4)
    await reader.close()
    assert.ok(Math.abs(reader.header.durationSeconds - 12) < 0.2)
    assert.ok(first.every((sample) => Math.abs(sample) < 0.001))
  })

  it('takes the track that is asked for', async () => {
    await decode(tools, at('film.mkv'), 1, at('second.wav'), quiet)
    const [one, two] = await Promise.all([readFile(at('second.wav')), readFile(CLIPS.austen.file)])
    const samples = 16_000 * 2 * 5
    const from = async (name: string): Promise<number> => (await readWavHeader(name)).dataOffset
    const a = await from(at('second.wav'))
    const b = await from(CLIPS.austen.file)
    assert.ok(one.subarray(a, a + samples).equals(two.subarray(b, b + samples)))
  })

  it('gives what is readable of a file that breaks off', async () => {
    const media = await makeMedia(folder, 'austen', 'mkv')
    await truncate(media, Math.floor((await stat(media)).size / 2))
    await decode(tools, media, 0, at('half.wav'), quiet)
    const { durationSeconds } = await readWavHeader(at('half.wav'))
    assert.ok(durationSeconds > 0.5 && durationSeconds < 6)
  })

  it('calls a film without sound no_audio and leaves nothing behind', async () => {
    const mute = await makeMute(folder)
    assert.deepEqual((await probe(tools, mute, { signal })).audio, [])
    await assert.rejects(decode(tools, mute, 0, at('mute.wav'), quiet), code('no_audio'))
    const behind = { ...quiet, fromSeconds: 500 }
    await assert.rejects(decode(tools, CLIPS.jfk.file, 0, at('mute.wav'), behind), code('no_audio'))
    assert.ok(!existsSync(at('mute.wav')) && !existsSync(at('mute.wav.part')))
  })

  it('calls a damaged mp4 invalid_media', async () => {
    const media = await makeMedia(folder, 'austen', 'm4a')
    const bytes = await readFile(media)
    const damaged = await file('damaged.m4a', bytes.subarray(0, Math.floor(bytes.length / 2)))
    await assert.rejects(probe(tools, damaged, { signal }), code('invalid_media'))
  })

  it('calls a full disk no_space', async () => {
    // A stand-in that fails as ffmpeg does on a full disk: filling a real one is no test's business.
    const script =
      '#!/bin/sh\necho "av_interleaved_write_frame(): No space left on device" >&2\nexit 228\n'
    const full = { ...tools, ffmpeg: await file('ffmpeg-full', script) }
    await chmod(full.ffmpeg, 0o755)
    await assert.rejects(decode(full, CLIPS.jfk.file, 0, at('full.wav'), quiet), code('no_space'))
  })

  it('stops with the reason of the signal', async () => {
    const controller = new AbortController()
    const reason = new AppError('cancelled', 'enough')
    const long =
      await ffmpeg`-f lavfi -i anullsrc=r=16000:cl=mono -t 1800 -c:a flac ${at('long.flac')}`
    const stopped = decode(tools, long, 0, at('long.wav'), {
      signal: controller.signal,
      onProgress: () => controller.abort(reason),
    })
    await assert.rejects(stopped, (error) => error === reason)
    assert.ok(!existsSync(at('long.wav')) && !existsSync(at('long.wav.part')))
  })
})

let sweep: Promise<string> | undefined
/** Half a minute of sound that is like itself nowhere, at 44.1 kHz; made once. */
function makeSweep(): Promise<string> {
  const sound = "aevalsrc='0.4*sin(2*PI*(200+20*t)*t)+0.3*sin(2*PI*(613+sin(t)*50)*t)':s=44100:d=30"
  sweep ??= ffmpeg`-f lavfi -i ${sound} ${at('sweep.wav')}`
  return sweep
}

let picture: Promise<string> | undefined
/** Half a minute of picture; made once. */
function makePicture(): Promise<string> {
  picture ??= ffmpeg`-f lavfi -i testsrc=size=160x120:rate=10 -t 30
    -c:v libx264 -preset ultrafast ${at('picture.mp4')}`
  return picture
}

async function samplesOf(wav: string): Promise<Buffer> {
  const { dataOffset, samples } = await readWavHeader(wav)
  return (await readFile(wav)).subarray(dataOffset, dataOffset + samples * 2)
}

/** Sample by sample. AAC makes up its noise anew, so that the last bit may be rounded otherwise. */
function assertSame(actual: Buffer, expected: Buffer, most = 2): void {
  assert.equal(actual.length, expected.length)
  for (let at = 0; at < actual.length; at += 2) {
    const difference = Math.abs(actual.readInt16LE(at) - expected.readInt16LE(at))
    if (difference > most) assert.fail(`sample ${at / 2} differs by ${difference}`)
  }
}

const LATER = {
  wav: '-c:a pcm_s16le',
  w64: '-c:a pcm_s16le',
  flac: '-c:a flac',
  mp3: '-c:a libmp3lame -q:a 4',
  'cbr.mp3': '-c:a libmp3lame -b:a 96k',
  m4a: '-c:a aac -b:a 96k',
  ogg: '-c:a libvorbis',
  opus: '-c:a libopus',
  mp4: '-i PICTURE -map 0:a -map 1:v -t 30 -c:v copy -c:a aac -b:a 96k',
  mov: '-i PICTURE -map 0:a -map 1:v -t 30 -c:v copy -c:a pcm_s16le',
} as const

describe('decode from a later time', () => {
  for (const [extension, recipe] of Object.entries(LATER)) {
    it(`gives the samples of the whole ${extension} file from there on`, async () => {
      const words = recipe.split(' ')
      const shown = words.includes('PICTURE') ? await makePicture() : ''
      const how = words.map((word) => (word === 'PICTURE' ? shown : word))
      const source = await ffmpeg`-i ${await makeSweep()} ${how} ${at(`sweep-later.${extension}`)}`
      const media = await probe(tools, source, { signal })
      // The time is right with AAC too, but its noise is not the same twice.
      assert.equal(canSeekExactly(media), !recipe.includes('aac'))
      await decode(tools, source, 0, at('whole.wav'), { ...quiet, media })
      const whole = await samplesOf(at('whole.wav'))
      for (const fromSeconds of [4.5, 23.12345]) {
        const seen: number[] = []
        await decode(tools, source, 0, at('later.wav'), {
          signal,
          onProgress: (seconds) => seen.push(seconds),
          fromSeconds,
          media,
        })
        const expected = whole.subarray(Math.round(fromSeconds * 16_000) * 2)
        // Newer ffmpegs enter AAC at a sample of its own rate, which lies between two of ours.
        assertSame(await samplesOf(at('later.wav')), expected, recipe.includes('aac') ? 3000 : 2)
        assert.ok(Math.abs((seen.at(-1) ?? 0) - expected.length / 32_000) < 0.1)
      }
    })
  }

  it('finds no sound behind the end', async () => {
    const { file: source } = CLIPS.jfk
    const media = await probe(tools, source, { signal })
    for (const fromSeconds of [12, 9_000]) {
      await assert.rejects(
        decode(tools, source, 0, at('behind.wav'), { ...quiet, fromSeconds, media }),
        code('no_audio'),
      )
    }
  })

  it('keeps the time of a track that begins after it', async () => {
    const picture = await makeMute(folder, 'picture-alone.mp4')
    const late = await ffmpeg`-i ${CLIPS.jfk.file} -itsoffset 8 -i ${picture}
      -c:v copy -c:a aac ${at('late-picture.mp4')}`
    const media = await probe(tools, late, { signal })
    assert.equal(media.latestStartSeconds, 8)
    assert.equal(canSeekExactly(media), false)
  })
})

describe('one channel of two', () => {
  it('is decoded alone, from a later time too', async () => {
    const call = await ffmpeg`-i ${CLIPS.jfk.file} -i ${CLIPS.austen.file}
      -filter_complex ${'[0:a][1:a]amerge=inputs=2'} -c:a pcm_s16le ${at('call.wav')}`
    const clips = [await samplesOf(CLIPS.jfk.file), await samplesOf(CLIPS.austen.file)]
    for (const channel of [0, 1]) {
      const mix = { weights: channel === 0 ? [1, 0] : [0, 1], layout: 'stereo', gain: 0 }
      await decode(tools, call, 0, at('side.wav'), { ...quiet, mix })
      const heard = await samplesOf(at('side.wav'))
      assert.ok(heard.length > 7 * 32_000)
      assert.ok(heard.equals(clips[channel]!.subarray(0, heard.length)))
      await decode(tools, call, 0, at('side.wav'), { ...quiet, mix, fromSeconds: 2 })
      assert.ok((await samplesOf(at('side.wav'))).equals(heard.subarray(64_000)))
    }
  })
})

describe('a file with wild times', () => {
  it('is read whole, and not filled with silence', async () => {
    // For sound, N counts samples.
    const jump = 'asetpts=PTS+gte(N/80000\\,1)*100000/TB'
    const wild = await ffmpeg`-i ${CLIPS.jfk.file} -af ${jump} -c:a flac ${at('wild.mkv')}`
    const media = { format: 'matroska,webm', durationSeconds: 11 }
    const options = { ...quiet, media }
    const { cutShort, clockJumps } = await decode(tools, wild, 0, at('wild.wav'), options)
    const { durationSeconds } = await readWavHeader(at('wild.wav'))
    assert.ok(Math.abs(durationSeconds - 11) < 0.3, `${durationSeconds} s`)
    assert.deepEqual([cutShort, clockJumps], [false, true])
  })

  it('has all its sound, however short it says it is', async () => {
    const long =
      await ffmpeg`-f lavfi -i anullsrc=r=16000:cl=mono -t 120 -c:a flac ${at('more.mkv')}`
    const media = { format: 'matroska,webm', durationSeconds: 10 }
    const { cutShort } = await decode(tools, long, 0, at('more.wav'), { ...quiet, media })
    assert.equal(cutShort, false)
    assert.ok(Math.abs((await readWavHeader(at('more.wav'))).durationSeconds - 120) < 0.5)
  })
})
