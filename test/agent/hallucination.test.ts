import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { better, review, worthRetry, type Flag } from '../../agent/quality/hallucination.ts'
import type { RecognisedSegment } from '../../agent/transcription/recognised-segment.ts'
import { compressionRatio, isLoop } from '../../agent/quality/repeats.ts'
import { wordCount, wordsIn } from '../../agent/quality/words.ts'
import { CLIPS } from './fixtures.ts'

const ALL = [{ start: 0, end: 1e6 }]
const say = (text: string, more: Partial<RecognisedSegment> = {}): RecognisedSegment => ({
  start: 0,
  end: Math.max(1, wordCount(text) / 3),
  text,
  ...more,
})
const flagsOf = (segment: RecognisedSegment, speech = ALL): string[] => {
  const { segments, dropped } = review([segment], speech)
  return [...segments, ...dropped][0]?.flags ?? []
}
const has = (flag: Flag, segment: RecognisedSegment, speech = ALL): boolean =>
  flagsOf(segment, speech).includes(flag)

/** What people say, in several ways of writing. */
const HONEST = [
  CLIPS.jfk.text,
  CLIPS.austen.text,
  'No, no, no!',
  'No no no no no.',
  'Ha ha ha ha, that is very, very, very good.',
  'Yes. Yes, yes. I said yes.',
  'Row, row, row your boat, gently down the stream, merrily, merrily, merrily, merrily, life is but a dream.',
  'Eins, zwei, drei, vier, fünf, sechs, sieben, acht, neun, zehn, elf, zwölf, dreizehn, vierzehn.',
  'Donaudampfschifffahrtsgesellschaftskapitän, das ist ein langes Wort, und niemand sagt es je im Ernst.',
  '中华人民共和国的首都是北京，上海是最大的城市，很多人在那里工作和生活。',
  '吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。',
  '옛날 옛적에 깊은 산속에 호랑이 한 마리가 살고 있었습니다.',
  'В начале было слово, и слово было у бога, и слово было бог.',
  'คนไทยส่วนใหญ่ชอบกินอาหารรสจัดและชอบไปเที่ยวกับครอบครัวในวันหยุด',
  'We shall fight on the beaches, we shall fight on the landing grounds, we shall fight in the fields and in the streets, we shall fight in the hills; we shall never surrender.',
]

describe('review', () => {
  it('doubts nothing that people say', () => {
    for (const text of HONEST) assert.deepEqual(flagsOf(say(text)), [], text)
    const { segments, dropped, counts } = review(
      HONEST.map((text) => say(text)),
      ALL,
    )
    assert.deepEqual(
      segments,
      HONEST.map((text) => say(text)),
    )
    assert.deepEqual([dropped, counts], [[], {}])
  })

  it('marks a phrase said over and over, of one word up to eight', () => {
    const words = 'we do not know what it is called'.split(' ')
    for (let length = 1; length <= 8; length++) {
      const phrase = words.slice(0, length).join(' ')
      const loop = Array.from({ length: Math.max(3, Math.ceil(8 / length)) }, () => phrase)
      assert.ok(has('repeats', say(loop.join(', '))), phrase)
      assert.ok(has('repeats', say(`Well. ${loop.join('. ')}`)), phrase)
    }
    assert.ok(has('repeats', say('谢谢大家。谢谢大家。谢谢大家。谢谢大家。')))
  })

  it('does not take a part of a long text for all of it', () => {
    const long = HONEST.slice(0, 2).join(' ')
    assert.ok(!isLoop(`${long} ha ha ha ha ha ha ha ha ha. ${long}`))
  })

  it('marks three and more segments with the same words, however written', () => {
    const texts = ['One.', 'Thank you.', 'thank you', 'Thank you!', 'Two.', 'Two.', '', '', '']
    const { segments, counts } = review(
      texts.map((text) => say(text)),
      ALL,
    )
    const marked = segments.map(({ flags = [] }) => flags.includes('repeated_segment'))
    assert.deepEqual(marked, [false, true, true, true, false, false, false, false, false])
    assert.equal(counts['repeated_segment'], 3)
  })

  it('marks what zlib makes much shorter, and what the engine says is so', () => {
    assert.ok(
      has('compression', say('hahahahahahahahahahahahahahahahahahahahahahahahahahahahahahahaha')),
    )
    assert.ok(has('compression', say('Thank you.', { compressionRatio: 3 })))
    assert.ok(!has('compression', say('Thank you.', { compressionRatio: 2 })))
  })

  it('marks what the engine is not sure of', () => {
    const low = (avgLogprob: number, noSpeechProb?: number): boolean =>
      has(
        'low_confidence',
        say('Yes.', { avgLogprob, ...(noSpeechProb === undefined ? {} : { noSpeechProb }) }),
      )
    assert.deepEqual([low(-1.1), low(-0.8, 0.7)], [true, true])
    assert.deepEqual([low(-0.9), low(-0.8, 0.5), low(-0.3, 0.9)], [false, false, false])
    assert.ok(!has('low_confidence', say('Yes.', { noSpeechProb: 0.9 })))
  })

  it('marks more and less than anybody says in the time', () => {
    const rate = (text: string, seconds: number): boolean =>
      has('speech_rate', { start: 10, end: 10 + seconds, text })
    assert.ok(rate(CLIPS.jfk.text, 1))
    assert.ok(rate(CLIPS.jfk.text, 0))
    assert.ok(rate('Yes.', 20))
    assert.ok(!rate(CLIPS.jfk.text, CLIPS.jfk.seconds))
    assert.ok(!rate('Oh yes.', 0.1))
    assert.ok(!rate('Yes.', 4.9))
    // Twenty signs in three seconds are said, in one they are not; in a minute hardly.
    const signs = '中华人民共和国的首都是北京上海是最大的城'
    assert.deepEqual([rate(signs, 3), rate(signs, 1), rate(signs, 60)], [false, true, true])
  })

  it('marks what lies outside of speech', () => {
    const speech = [{ start: 10, end: 12 }]
    const at = (start: number, end: number): boolean =>
      has('no_speech', { start, end, text: 'Yes, of course.' }, speech)
    assert.deepEqual([at(0, 5), at(12, 14), at(0, 10.1), at(5, 5)], [true, true, true, true])
    assert.deepEqual([at(10, 12), at(8, 11), at(11, 11)], [false, false, false])
    assert.ok(has('no_speech', say('Yes.'), []))
  })

  it('drops what models write in silence, and only there', () => {
    const fillers = [
      'Thanks for watching!',
      'Thank you.',
      'you',
      'Untertitel der Amara.org-Community',
      "Sous-titres réalisés par la communauté d'Amara.org",
      'Merci d’avoir regardé cette vidéo !',
      'Субтитры сделал DimaTorzok',
      'ご視聴ありがとうございました',
      '字幕',
      '시청해주셔서 감사합니다.',
      '[Music]',
      '♪ ♪',
      '(applause) [BLANK_AUDIO]',
    ]
    for (const text of fillers) {
      const { segments, dropped, counts } = review([say(text)], [])
      assert.deepEqual([segments, counts], [[], { no_speech: 1, filler: 1 }], text)
      assert.deepEqual(dropped[0]?.flags, ['no_speech', 'filler'])
      assert.deepEqual(review([say(text)], ALL).segments, [say(text)])
    }
    for (const text of ['And thank you for that.', 'Are you there?', 'I heard (I think) a bird.']) {
      assert.equal(review([say(text)], []).dropped.length, 0, text)
    }
  })

  it('drops what the engine is not sure of in silence, and keeps what it is', () => {
    const unsure = say('Somewhere over there.', { avgLogprob: -1.5 })
    const { segments, dropped } = review([unsure, { ...unsure, avgLogprob: -0.2 }], [])
    assert.deepEqual(segments[0]?.flags, ['no_speech'])
    assert.deepEqual(dropped[0]?.flags, ['low_confidence', 'no_speech'])
  })

  it('finds its flags anew, keeps those of others, and changes nothing that it is given', () => {
    const segment = Object.freeze(say('Yes.', { flags: ['no_speech', 'from_the_engine'] }))
    assert.deepEqual(review([segment], ALL).segments[0]?.flags, ['from_the_engine'])
    const clean = Object.freeze(say('Yes.', { flags: ['repeats'] }))
    assert.ok(!('flags' in review([clean], ALL).segments[0]!))
  })
})

describe('worthRetry', () => {
  it('is for loops', () => {
    const marked = (...flags: Flag[]): RecognisedSegment[] => [say('Fine.'), say('Yes.', { flags })]
    for (const flag of ['repeats', 'compression', 'repeated_segment'] as const) {
      assert.ok(worthRetry(marked(flag)))
    }
    assert.ok(!worthRetry(marked('low_confidence', 'no_speech', 'speech_rate')))
    assert.ok(!worthRetry([]))
  })
})

describe('better', () => {
  const loop = say('no and no and no and no and no and no', { flags: ['repeats'] })

  it('is the try with fewer words in loops', () => {
    const looping = [say(CLIPS.jfk.text), loop]
    const clean = [say(CLIPS.jfk.text)]
    assert.equal(better(looping, clean), clean)
    assert.equal(better(clean, looping), clean)
  })

  it('is not the one that has lost most of the text, or all of it', () => {
    const looping = [say(CLIPS.jfk.text), loop]
    const short = [say('And so.')]
    assert.equal(better(looping, short), looping)
    for (const some of [[loop], [say('Yes.')]]) {
      assert.equal(better(some, []), some)
      assert.equal(better([], some), some)
    }
  })

  it('is the surer one when both have as much, and else the first', () => {
    const sure = [say('Yes.', { avgLogprob: -0.2 })]
    const unsure = [say('Yet.', { avgLogprob: -0.9 })]
    const silent = [say('Yes.')]
    assert.equal(better(unsure, sure), sure)
    assert.equal(better(sure, unsure), sure)
    assert.equal(better(silent, [say('Yes.')]), silent)
  })
})

describe('compressionRatio', () => {
  it('is 1 for what is too short, and does not grow with the length of honest text', () => {
    assert.equal(compressionRatio('ha ha ha ha ha ha'), 1)
    const words = HONEST.flatMap((text) => text.split(' '))
    let state = 1
    const random = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647
    const long = Array.from({ length: 5000 }, () => words[Math.floor(random() * words.length)])
    assert.ok(compressionRatio(long.join(' ')) < 2.4)
  })
})

describe('wordsIn', () => {
  it('knows words with and without spaces', () => {
    assert.deepEqual(wordsIn('Don’t — stop!'), ["don't", 'stop'])
    assert.deepEqual(wordsIn('我爱 TypeScript 5'), ['我', '爱', 'typescript', '5'])
    assert.equal(wordCount('我爱你们 hello'), 3)
  })
})
