import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after } from 'node:test'

/** A folder of its own, gone when the tests of the file are done, or the test in which it is made. */
export function tempFolder(): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'morag-test-'))
  // A process that is ended after it may still write there.
  after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }))
  return folder
}
