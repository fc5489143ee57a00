import assert from 'node:assert/strict'
import { appendFileSync } from 'node:fs'
import { mkdir, mkdtemp } from 'node:fs/promises'
import { hostname } from 'node:os'
import path from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { ensureModel } from '../../agent/models/models.ts'
import { stagingOf } from '../../agent/models/places.ts'
import type { StagingPatience } from '../../agent/models/staging-others.ts'
import { Staging } from '../../agent/models/staging.ts'
import { failureOf } from '../../agent/work/failure.ts'
import { isHostCode } from '../../shared/errors.ts'
import { lockFolder } from '../../shared/lock.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const root = tempFolder()
const signal = new AbortController().signal

/** A model that another process puts together; `wait` wants the same. */
async function scene(t: TestContext, onVisitor?: Parameters<typeof lockFolder>[1]) {
  const dir = await mkdtemp(path.join(root, 'models-'))
  const place = path.join(dir, 'ctranslate2', 'base')
  const folder = stagingOf(place)
  await mkdir(folder, { recursive: true })
  const lock =
    onVisitor === undefined ? null : ((await lockFolder(folder, onVisitor)) ?? assert.fail())
  const owner = lock === null ? await Staging.open(place, { doing: 'getting it', signal }) : null
  const release = async (): Promise<void> => {
    await lock?.release()
    await owner?.close()
  }
  t.after(release)
  const said: string[] = []
  const patience = { fruitless: 1, retryMinMs: 1 }
  const source = { mirror: 'http://127.0.0.1:9', offline: false, token: null }
  const wait = async (
    others: StagingPatience,
    onProgress = (text: string): void => void said.push(text),
  ) => await ensureModel('ctranslate2/base', { dir, signal, source, patience, onProgress, others })
  return { folder, said, wait, release }
}

const US = `process ${process.pid} on ${hostname()}`

describe('a model that another process is getting', () => {
  it('is waited for, and after a while it is said for whom', async (t) => {
    const { said, wait, release } = await scene(t)
    const waiting = wait({ sayMs: 1, giveUpMs: 60_000 }, (text) => {
      said.push(text)
      if (text.startsWith('waiting')) void release()
    })
    // The other has not got it; where it would come from is nobody.
    await assert.rejects(waiting, { code: 'model_missing', message: /127\.0\.0\.1:9/ })
    assert.match(
      said[0]!,
      /^Another process is getting the model ctranslate2\/base: waiting for it$/,
    )
    assert.match(said[1]!, new RegExp(`^waiting for \\S+ for ${US}, which is getting the model`))
  })

  it('is given up when nothing of it comes any more: the attempt goes back, and another agent has it', async (t) => {
    const { wait } = await scene(t)
    const error: unknown = await wait({ giveUpMs: 300 }).catch((thrown: unknown) => thrown)
    const { errorCode, errorMessage, retryable } = failureOf(error, 1)
    assert.deepEqual([errorCode, retryable], ['model_missing', true])
    assert.ok(isHostCode(errorCode ?? ''))
    assert.match(
      errorMessage ?? '',
      new RegExp(`${US} is getting the model ctranslate2/base, and has made no progress`),
    )
  })

  it('is waited for as long as something comes', async (t) => {
    const { folder, said, wait, release } = await scene(t)
    let looks = 0
    const waiting = wait({ sayMs: 0, giveUpMs: 1 }, (text) => {
      said.push(text)
      if ((looks += 1) < 5) appendFileSync(path.join(folder, 'model.bin.part'), 'bytes')
      else void release()
    })
    await assert.rejects(waiting, { message: /127\.0\.0\.1:9/ })
    assert.ok(looks >= 5)
  })

  it('is said to be with a process that does not answer, where that is so', async (t) => {
    const { wait } = await scene(t, () => undefined)
    const mute = /another process, which does not answer, is getting the model/
    await assert.rejects(wait({ giveUpMs: 0 }), { code: 'model_missing', message: mute })
  })
})
