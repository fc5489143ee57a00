import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { readApiKey } from '../../agent/client/api-key.ts'
import { keyFileFor } from '../../agent/paths.ts'
import { isExposed } from '../../agent/client/plain-http.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const folder = tempFolder()

async function file(name: string, text: string): Promise<string> {
  const full = path.join(folder, name)
  await mkdir(path.dirname(full), { recursive: true })
  await writeFile(full, text)
  return full
}

const nowhere = path.join(folder, 'nowhere')

describe('the key for a coordinator', () => {
  it('comes from the named file before all else', async () => {
    const environment = {
      MORAG_API_KEY: 'of-the-environment',
      CREDENTIALS_DIRECTORY: path.dirname(await file('systemd/morag-api-key', 'of-systemd')),
    }
    const stored = await file('stored', 'of-register')
    const named = await file('named', 'of-the-file\n')
    assert.equal(readApiKey({ file: named, environment, stored }), 'of-the-file')
  })

  it("comes from systemd's credentials before the environment", async () => {
    const environment = {
      MORAG_API_KEY: 'of-the-environment',
      CREDENTIALS_DIRECTORY: path.dirname(await file('systemd/morag-api-key', 'of-systemd')),
    }
    assert.equal(readApiKey({ file: undefined, environment, stored: nowhere }), 'of-systemd')
  })

  it('comes from the environment before what register has left', async () => {
    const environment = { MORAG_API_KEY: ' of-the-environment ', CREDENTIALS_DIRECTORY: nowhere }
    const stored = await file('stored', 'of-register')
    assert.equal(readApiKey({ file: undefined, environment, stored }), 'of-the-environment')
    assert.equal(readApiKey({ file: undefined, environment: {}, stored }), 'of-register')
    assert.equal(readApiKey({ file: undefined, environment: {}, stored: nowhere }), null)
  })

  it('is taken out of the environment, whichever was used', async () => {
    const environment = { MORAG_API_KEY: 'secret', PATH: '/bin' }
    readApiKey({ file: await file('named', 'x'), environment, stored: nowhere })
    assert.deepEqual(environment, { PATH: '/bin' })
  })

  it('is refused with the name of its file when that holds something else', async () => {
    for (const [name, text] of [
      ['empty', ''],
      ['two-lines', 'one\ntwo'],
      ['umlaut', 'schlüssel'],
    ] as const) {
      const bad = await file(name, text)
      assert.throws(() => readApiKey({ file: bad, environment: {}, stored: nowhere }), {
        code: 'usage',
        message: /does not hold one key/,
      })
    }
    assert.throws(() => readApiKey({ file: nowhere, environment: {}, stored: nowhere }), {
      code: 'usage',
      message: /nowhere cannot be read \(--api-key-file/,
    })
  })

  it('has a place of its own for each coordinator', () => {
    const places = [
      'http://a.example',
      'https://a.example',
      'https://a.example:8000',
      'https://a.example/morag',
      'https://a.example/8000',
      'https://b.example',
    ].map(keyFileFor)
    assert.equal(new Set(places).size, places.length)
    assert.equal(keyFileFor('https://a.example/'), keyFileFor('https://a.example'))
    for (const place of places) assert.match(path.basename(place), /^[\w.%-]+$/)
  })
})

describe('a key that travels over plain http', () => {
  const found = (address: string) => async () => [{ address }]
  const unasked = async (): Promise<never> => assert.fail('nothing is to be looked up')

  for (const url of [
    'https://morag.example',
    'http://localhost:8000',
    'http://127.0.0.1:8000',
    'http://[::1]:8000',
    'http://10.1.2.3',
    'http://192.168.1.2',
    'http://[fd00::1]',
    'http://[::ffff:10.0.0.1]',
    'http://100.64.0.1',
  ]) {
    it(`cannot be read on the way to ${url}`, async () => {
      assert.equal(await isExposed(url, unasked), false)
    })
  }

  for (const url of ['http://8.8.8.8', 'http://[2001:4860:4860::8888]:8000', 'http://134744072']) {
    it(`can be read on the way to ${url}`, async () => {
      assert.equal(await isExposed(url, unasked), true)
    })
  }

  it('is judged by where a name leads', async () => {
    assert.equal(await isExposed('http://morag.lan', found('10.0.0.7')), false)
    assert.equal(await isExposed('http://morag.example', found('8.8.8.8')), true)
    const unknown = async (): Promise<never> => Promise.reject(new Error('ENOTFOUND'))
    assert.equal(await isExposed('http://morag.example', unknown), false)
  })
})
