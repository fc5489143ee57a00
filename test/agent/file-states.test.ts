import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { decode, probe } from '../../agent/media/media.ts'
import { warningsOf } from '../../agent/media/tracks.ts'
import { readWavHeader } from '../../agent/audio/wav.ts'
import { AppError } from '../../shared/errors.ts'
import { CLIPS, ffmpeg, testTools } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const folder = tempFolder()
const tools = await testTools()
const signal = new AbortController().signal
const at = (name: string): string => path.join(folder, name)

async function file(name: string, content: string | Buffer): Promise<string> {
  await writeFile(at(name), content)
  return at(name)
}

/** How long the sound of a file is, and what it is. */
async function read(source: string): Promise<{ format: string; seconds: number }> {
  const media = await probe(tools, source, { signal })
  const options = { signal, media, onProgress: () => undefined }
  await decode(tools, source, media.audio[0]!.index, at('out.wav'), options)
  return { format: media.format, seconds: (await readWavHeader(at('out.wav'))).durationSeconds }
}

const refused = (source: string, words: RegExp) =>
  assert.rejects(probe(tools, source, { signal }), (error: unknown) => {
    assert.ok(error instanceof AppError, String(error))
    assert.match(error.message, words)
    assert.match(error.code, /^(invalid|unsupported)_media$/)
    return true
  })

/** 33 bytes of a GSM 06.10 frame of silence. */
const GSM_FRAME = Buffer.from(
  'd820a2e15a50004924924924500049249249245000492492492450004924924924',
  'hex',
)

describe('a file that is not what it should be', () => {
  it('is named for what it is', async () => {
    await refused(await file('empty.mp3', ''), /^The file is empty \(0 bytes\)/)
    await refused(await file('zeros.mp4', Buffer.alloc(50_000)), /^The file is nothing but zeros,/)
    const page = '<!DOCTYPE html><html><body>404</body></html>'
    await refused(await file('page.mp4', page), /^The file is a web page,/)
    await refused(await file('letter.mp3', 'Dear Sir or Madam,\n\nyours\n'), /^The file is a text,/)
    const pdf = Buffer.concat([
      Buffer.from('%PDF-1.4\n%'),
      Buffer.from([0xe2, 0xe3, 0xcf, 0xd3, 10, 0, 1]),
    ])
    await refused(await file('talk.wav', pdf), /^The file is of type application\/pdf,/)
  })

  it('is incomplete where its index is missing', async () => {
    const whole = await ffmpeg`-i ${CLIPS.jfk.file} -c:a aac ${at('whole.m4a')}`
    const cut = (await readFile(whole)).subarray(0, 30_000)
    await refused(
      await file('cut.m4a', cut),
      /^The file is incomplete: the index at its end \(moov\)/,
    )
  })

  it('is encrypted where its index or its packets say so', async () => {
    const clear = await readFile(await ffmpeg`-i ${CLIPS.jfk.file} -c:a aac ${at('clear.m4a')}`)
    for (const kind of ['enca', 'drms']) {
      const bytes = Buffer.from(clear)
      bytes.write(kind, bytes.indexOf('mp4a', bytes.indexOf('stsd')), 'latin1')
      await refused(await file('protected.m4a', bytes), /^The file is encrypted \((iTunes )?DRM\)/)
    }
    const stream = await readFile(await ffmpeg`-i ${CLIPS.jfk.file} -c:a aac ${at('clear.ts')}`)
    for (let packet = 0; packet < stream.length; packet += 188) stream[packet + 3]! |= 0x80
    await refused(await file('scrambled.ts', stream), /^The file is encrypted \(the scrambling/)
  })

  it('is named with the way out where its format is not read', async () => {
    const real = Buffer.concat([
      Buffer.from('.RMF'),
      Buffer.from([0, 0, 0, 18, 0, 0]),
      Buffer.alloc(4000, 1),
    ])
    await refused(await file('old.rm', real), /^Format not supported: RM\. Convert it first/)
  })
})

describe('a format that few use', () => {
  for (const [name, how] of Object.entries({
    wv: '-c:a wavpack',
    tta: '-c:a tta',
    voc: '-c:a pcm_u8',
    mxf: '-f lavfi -i testsrc=size=320x240:rate=25 -c:v mpeg2video -ar 48000 -shortest',
    dv: '-f lavfi -i testsrc=size=720x576:rate=25 -pix_fmt yuv420p -ar 48000 -ac 2 -t 1 -target pal-dv',
  })) {
    it(`is read: ${name}`, async () => {
      const made = await ffmpeg`-i ${CLIPS.jfk.file} ${how.split(' ')} ${at(`sound.${name}`)}`
      const { format, seconds } = await read(made)
      assert.match(format, new RegExp(`^${name}`))
      assert.ok(Math.abs(seconds - (name === 'dv' ? 1 : 11)) < 0.2, `${seconds} s`)
    })
  }

  it('is read: GSM without a header, whatever it is called', async () => {
    const frames = Buffer.concat(Array.from({ length: 100 }, () => GSM_FRAME))
    for (const name of ['call.gsm', 'call.mp3', 'call']) {
      assert.deepEqual(await read(await file(name, frames)), { format: 'gsm', seconds: 2 })
    }
  })
})

describe('a WAV file whose header is wrong', () => {
  const clip = async (): Promise<Buffer> => await readFile(CLIPS.jfk.file)
  const claiming = (bytes: Buffer, length: number): Buffer => {
    const changed = Buffer.from(bytes)
    changed.writeUInt32LE(length, changed.indexOf('data') + 4)
    return changed
  }

  it('is read whole', async () => {
    for (const length of [0, 0xffff_ffff, 176_000, 20, 0x7fff_ffff]) {
      const { seconds } = await read(await file('wrong.wav', claiming(await clip(), length)))
      assert.ok(Math.abs(seconds - 11) < 0.05, `${length}: ${seconds} s`)
    }
  })

  it('is said to be cut off where it tells of more than there is, and only there', async () => {
    const whole = await clip()
    for (const [bytes, isCutOff] of [
      [whole.subarray(0, 30_000), true],
      [whole, undefined],
      [claiming(whole, 0x7fff_ffff), undefined],
      [claiming(whole, 0), undefined],
    ] as const) {
      const media = await probe(tools, await file('cut.wav', bytes), { signal })
      assert.equal(media.isCutOff, isCutOff)
      const [track] = media.audio
      const decodedSeconds = media.durationSeconds
      const found = {
        kind: 'audio',
        media,
        track: track!,
        decodedSeconds,
        subtitles: null,
      } as const
      const said = String(warningsOf(found))
      assert.equal(said.includes('may be cut off or damaged'), isCutOff === true, said)
    }
  })

  it('is not read into what follows its samples', async () => {
    const title = Buffer.alloc(20_008, 'x')
    title.write('LIST', 0)
    title.writeUInt32LE(20_000, 4)
    const titled = Buffer.concat([await clip(), title])
    assert.ok(Math.abs((await read(await file('titled.wav', titled))).seconds - 11) < 0.05)
  })
})

describe('the length of an mp3', () => {
  it('is a guess where nothing in it says so', async () => {
    const plain = await ffmpeg`-i ${CLIPS.jfk.file} -b:a 32k -write_xing 0 ${at('plain.mp3')}`
    const junk = await file(
      'junk.mp3',
      Buffer.concat([Buffer.alloc(30_000), await readFile(plain)]),
    )
    assert.equal((await probe(tools, junk, { signal })).isLengthGuessed, true)
    const named = await ffmpeg`-i ${CLIPS.jfk.file} ${at('named.mp3')}`
    assert.equal((await probe(tools, named, { signal })).isLengthGuessed, undefined)
  })
})

/** Sound whose header is of no use, or tells less than the truth: how long it is heard, and what is said about it. */
async function heard(source: string): Promise<{ seconds: number; warnings: string }> {
  const media = await probe(tools, source, { signal })
  const [track] = media.audio
  const options = { signal, media, onProgress: () => undefined }
  await decode(tools, source, track!.index, at('heard.wav'), options)
  const seconds = (await readWavHeader(at('heard.wav'))).durationSeconds
  const found = { kind: 'audio', media, track: track!, decodedSeconds: seconds } as const
  return { seconds, warnings: warningsOf({ ...found, subtitles: null }).join(' ') }
}

describe('a header of no use', () => {
  for (const codec of ['pcm_s16le', 'pcm_u8', 'pcm_s24le', 'pcm_f32le', 'pcm_mulaw']) {
    it(`costs nothing where a chunk before the samples is not padded (${codec})`, async () => {
      const whole = await readFile(
        await ffmpeg`-i ${CLIPS.jfk.file} -c:a ${codec} -bitexact ${at(`${codec}.wav`)}`,
      )
      const [title, data] = [Buffer.from('LIST\x05\0\0\0abcde', 'latin1'), whole.indexOf('data')]
      const parts = [whole.subarray(0, data), title, whole.subarray(data)]
      const { seconds, warnings } = await heard(await file('odd.wav', Buffer.concat(parts)))
      assert.ok(Math.abs(seconds - CLIPS.jfk.seconds) < 0.01, `${seconds}`)
      assert.equal(warnings, '')
    })
  }

  it('is none: a recording of a telephone system, which its name alone tells', async () => {
    for (const [name, format] of [
      ['call.ul', 'mulaw'],
      ['call.ulaw', 'mulaw'],
      ['call.al', 'alaw'],
    ]) {
      const source = await ffmpeg`-i ${CLIPS.jfk.file} -ar 8000 -f ${format!} ${at(name!)}`
      const { seconds, warnings } = await heard(source)
      assert.ok(Math.abs(seconds - CLIPS.jfk.seconds) < 0.01, `${seconds}`)
      assert.match(warnings, /has no header: it was read as (mu|A)-law of telephones/)
    }
    await refused(await file('letter.ul', 'Dear Sir or Madam,\n\nyours\n'), /a text/)
  })

  for (const [extension, claim] of [
    ['aiff', (bytes: Buffer) => half(bytes, bytes.indexOf('SSND') + 4, 4)],
    ['caf', (bytes: Buffer) => half(bytes, bytes.indexOf('data') + 4, 8)],
    ['w64', (bytes: Buffer) => half(bytes, bytes.indexOf('data') + 16, 8, true)],
  ] as const) {
    it(`is reported where it covers half of the sound only (${extension})`, async () => {
      const whole = await ffmpeg`-i ${CLIPS.jfk.file} ${at(`whole.${extension}`)}`
      const bytes = await readFile(whole)
      assert.equal((await heard(whole)).warnings, '')
      const unknown = await heard(await file(`half.${extension}`, claim(bytes)))
      assert.match(unknown.warnings, /more sound than its header claims: the last 17\d{4} bytes/)
    })
  }
})

/** Half of a length in a header of so many bytes. */
function half(bytes: Buffer, at: number, width: 4 | 8, isLittle = false): Buffer {
  const low = width === 4 ? at : isLittle ? at : at + 4
  const value = isLittle ? bytes.readUInt32LE(low) : bytes.readUInt32BE(low)
  const less = 2 * Math.floor(value / 4)
  if (isLittle) bytes.writeUInt32LE(less, low)
  else bytes.writeUInt32BE(less, low)
  return bytes
}
