import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { pathToFileURL } from 'node:url'

/**
 * `node [--test-…] entry.js FILES`: test files one after the other in one process. None of their tests begins before all
 * files are loaded: a file that awaits something at its top would otherwise register its hooks too late. It is an error to
 * leave the environment changed that files share.
 */
const files = process.argv.slice(2)
const shared = process.env
const environment = { ...shared }
if (files.length > 1) {
  after(() => {
    assert.deepEqual({ ...process.env }, environment, 'a test left the environment changed')
    // An object in its place does not reach the process: os.homedir(), for one, no longer follows it.
    assert.equal(process.env, shared, 'a test replaced process.env')
  })
}
let allLoaded = (): void => {}
const loaded = new Promise<void>((resolve) => (allLoaded = resolve))
void test('test files are loaded', async () => await loaded)
for (const file of files) await import(pathToFileURL(file).href)
allLoaded()
