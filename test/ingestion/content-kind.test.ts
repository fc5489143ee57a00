import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, test } from 'node:test'
import { declaredKind, kindOf } from '../../coordinator/ingestion/content-kind.ts'
import { ffmpeg } from '../agent/fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const folder = tempFolder()
const SOUND = '-f lavfi -i sine=duration=0.3'.split(' ')
const PICTURE = '-f lavfi -i testsrc=duration=0.3:size=176x144:rate=25'.split(' ')

/** The first bytes of a real file of that kind, as they are looked at. */
async function sample(name: string): Promise<Buffer> {
  const [what, ending] = name.split('.') as [string, string]
  const target = path.join(folder, name)
  const input = what === 'video' ? [...PICTURE, ...SOUND] : SOUND
  const codec = name === 'audio.webm' || ending === 'opus' ? ['-c:a', 'libopus'] : []
  return readFileSync(await ffmpeg`${input} ${codec} -shortest ${target}`).subarray(0, 64 * 1024)
}

describe('a file is what its bytes say', () => {
  for (const name of [
    'audio.mp3',
    'audio.wav',
    'audio.flac',
    'audio.aac',
    'audio.aiff',
    'audio.wma',
    'audio.m4a',
    'audio.opus',
    'video.mp4',
    'video.mkv',
    'video.webm',
    'video.mov',
    'video.avi',
    'video.wmv',
    'video.flv',
    'video.mpg',
    'video.ts',
    'video.ogv',
  ]) {
    test(`${name}, under its own name, under another's and under none`, async () => {
      const head = await sample(name)
      const kind = name.split('.')[0]
      assert.equal(await kindOf(head, name), kind)
      assert.equal(await kindOf(head, 'talk.txt'), kind)
      assert.equal(await kindOf(head, kind === 'audio' ? 'talk.avi' : 'talk.mp3'), kind)
      assert.equal(await kindOf(head, 'talk'), kind)
    })
  }

  test('a picture or a document is one, whatever its name says', async () => {
    assert.equal(await kindOf(Buffer.from('%PDF-1.7\n'), 'talk.mp3'), 'document')
    const png = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex')
    assert.equal(await kindOf(Buffer.concat([png, Buffer.alloc(60)]), 'talk.mp4'), 'image')
  })

  test('an mp3 whose cover fills all that is looked at is audio', async () => {
    const head = Buffer.concat([
      Buffer.from('ID3\u0004\u0000\u0000\u0000\u007f\u007f\u007f'),
      Buffer.alloc(60_000),
    ])
    assert.equal(await kindOf(head, 'talk'), 'audio')
  })
})

describe('a container of both is what its name says', () => {
  for (const [name, asAudio, asVideo] of [
    ['audio.mp4', 'talk.m4a', 'talk.mp4'],
    ['audio.mka', 'talk.mka', 'talk.mkv'],
    ['audio.webm', 'talk.weba', 'talk.webm'],
    ['audio.ogg', 'talk.ogg', 'talk.ogv'],
  ] as const) {
    test(`${name} as ${asAudio} and as ${asVideo}`, async () => {
      const head = await sample(name)
      assert.equal(await kindOf(head, asAudio), 'audio')
      assert.equal(await kindOf(head, asVideo), 'video')
      assert.equal(await kindOf(head, asAudio.toUpperCase()), 'audio')
    })
  }
})

describe('bytes that say nothing leave it to the name', () => {
  const text = Buffer.from('A text with nothing in it.')
  for (const [name, kind] of [
    ['notes.md', 'document'],
    ['notes.txt', 'document'],
    ['notes', 'document'],
    ['main.ts', 'document'],
    ['notes.unknown', 'document'],
    ['talk.mp3', 'audio'],
    ['talk.MP4', 'video'],
    ['.mp3', 'document'],
  ] as const) {
    test(`${name} is ${kind}`, async () => {
      assert.equal(await kindOf(text, name), kind)
      assert.equal(await kindOf(Buffer.alloc(0), name), kind)
    })
  }
})

test('what a client declares is one of our words, or has to be recognised', () => {
  for (const word of ['', ' ', 'auto', 'AUTO', 'file', 'application/octet-stream', null, undefined])
    assert.equal(declaredKind(word), null)
  for (const word of ['application/ogg', 'application/mp4', 'application/mxf'])
    assert.equal(declaredKind(word), null)
  assert.equal(declaredKind(' Audio '), 'audio')
  assert.equal(declaredKind('audio/mpeg'), 'audio')
  assert.equal(declaredKind('video/webm; codecs=vp9'), 'video')
  assert.equal(declaredKind('application/pdf'), 'document')
  assert.equal(declaredKind('text/markdown; charset=utf-8'), 'document')
  assert.equal(declaredKind('image/png'), 'image')
  assert.equal(declaredKind('web'), 'web')
})
