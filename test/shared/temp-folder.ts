import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after } from 'node:test'

/** A folder of its own, gone when the tests of the file are done. */
export function tempFolder(): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'morag-test-'))
  after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
