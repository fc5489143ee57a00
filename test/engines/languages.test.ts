import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openToolchain } from '../../agent/toolchain.ts'
import { wordErrors } from '../../agent/wer.ts'
import type { Segment } from '../../shared/transcript.ts'
import { CLIPS } from '../agent/fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { converter, textOf } from './convert.ts'
import { realEngines, settingsOf } from './real-engines.ts'
import { twoLanguages } from './scenes.ts'

const folder = tempFolder()
const { signal } = new AbortController()
const convert = converter(folder)
const engines = await realEngines()
/** They detect no language apart from recognition. */
const UNABLE = new Set(['openai-api on whisper-server'])

describe('a recording of two languages', () => {
  for (const { title, flags } of engines.filter((one) => !UNABLE.has(one.title))) {
    it(`is recognised in each, to the pause, by ${title}`, async (t) => {
      const toolchain = await openToolchain(settingsOf(flags), { signal, report: () => undefined })
      t.after(() => toolchain.close())
      const { file, german } = await twoLanguages(folder)
      const { converted } = await convert(toolchain, file)
      const { segments, language, languages } = converted.transcript
      const isGerman = ({ start, end }: Segment): boolean =>
        (start + end) / 2 > german.start && (start + end) / 2 < german.end
      assert.deepEqual(
        segments.map((one) => one.language),
        segments.map((one) => (isGerman(one) ? 'de' : 'en')),
      )
      assert.equal(language, 'en')
      assert.deepEqual(
        languages?.map((one) => [one.language, Math.round(one.share * 3)]),
        [
          ['en', 2],
          ['de', 1],
        ],
      )
      const { jfk, austen } = CLIPS
      const english = [jfk, austen, jfk, austen, jfk, austen, jfk]
      const heard = textOf(segments.filter((one) => !isGerman(one)))
      const { errors, words } = wordErrors(textOf(english), heard)
      assert.ok(errors <= words * 0.05, heard)
      const said = textOf(segments.filter(isGerman))
      // Whisper base spells espeak-ng's German differently each time; that it is German stays.
      const germanWords = said.match(/(?<!\p{L})(und|die|wir|über|im)(?!\p{L})/giu) ?? []
      assert.ok(germanWords.length >= 9, said)
    })
  }
})
