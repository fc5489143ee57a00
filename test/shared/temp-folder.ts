import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after } from 'node:test'

/** A folder of its own, gone when the tests of the file are done, or the test in which it is made. */
export function tempFolder(): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'morag-test-'))
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  after(() => {
    try {
      remove()
    } catch {
      // A process that a later hook ends has just written there. An error would leave out that hook.
      process.once('exit', remove)
    }
  })
  return folder
}
