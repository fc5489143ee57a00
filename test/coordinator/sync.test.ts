import assert from 'node:assert/strict'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { setEnv } from '../shared/set-env.ts'
import { syncBelow } from '../../coordinator/storage/sync.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const folder = tempFolder()

test('the program that syncs a file system gets no secret of ours', async (t) => {
  const seen = path.join(folder, 'seen')
  await writeFile(path.join(folder, 'sync'), `#!/bin/sh\nenv > '${seen}'\n`)
  await chmod(path.join(folder, 'sync'), 0o755)
  setEnv(t, {
    PATH: `${folder}:${process.env['PATH']}`,
    MORAG_API_KEY: 'a secret',
    MORAG_SERVER_API_KEY: 'a secret',
    MORAG_WEBHOOK_SECRET: 'a secret',
    SOME_TOKEN: 'a secret',
  })
  await syncBelow(folder)
  const text = await readFile(seen, 'utf8')
  assert.match(text, /^PATH=/m)
  assert.doesNotMatch(text, /a secret|MORAG_/)
})
