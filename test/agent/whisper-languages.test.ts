import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { languageCode, whisperLanguage } from '../../agent/engines/whisper/languages.ts'

describe("Whisper's languages", () => {
  it('are known by code and by name, in any case', () => {
    assert.equal(languageCode('german'), 'de')
    assert.equal(languageCode('German'), 'de')
    assert.equal(languageCode('DE'), 'de')
    assert.equal(languageCode('haitian creole'), 'ht')
    assert.equal(languageCode('cantonese'), 'yue')
    assert.equal(whisperLanguage('de-AT'), 'de')
    assert.equal(whisperLanguage('pt_BR'), 'pt')
  })

  it('are known by other names and codes of theirs', () => {
    assert.equal(whisperLanguage('Mandarin'), 'zh')
    assert.equal(whisperLanguage('nb'), 'no')
    assert.equal(whisperLanguage('jv'), 'jw')
    assert.equal(languageCode('javanese'), 'jv')
  })

  it('are none of what Whisper does not know', () => {
    for (const unknown of ['', 'klingon', 'xx', 'auto']) assert.equal(languageCode(unknown), null)
  })
})
