import assert from 'node:assert/strict'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { syncBelow } from '../../coordinator/storage/sync.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const folder = tempFolder()

test('the program that syncs a file system gets no secret of ours', async () => {
  const seen = path.join(folder, 'seen')
  await writeFile(path.join(folder, 'sync'), `#!/bin/sh\nenv > '${seen}'\n`)
  await chmod(path.join(folder, 'sync'), 0o755)
  const before = { ...process.env }
  try {
    process.env['PATH'] = `${folder}:${before['PATH']}`
    for (const name of [
      'MORAG_API_KEY',
      'MORAG_SERVER_API_KEY',
      'MORAG_WEBHOOK_SECRET',
      'SOME_TOKEN',
    ]) {
      process.env[name] = 'a secret'
    }
    await syncBelow(folder)
  } finally {
    process.env = before
  }
  const text = await readFile(seen, 'utf8')
  assert.match(text, /^PATH=/m)
  assert.doesNotMatch(text, /a secret|MORAG_/)
})
