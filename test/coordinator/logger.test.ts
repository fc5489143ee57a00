import assert from 'node:assert/strict'
import { test } from 'node:test'
import { execa } from 'execa'
import { LOADER, moduleUrl } from '../../scripts/node-script.ts'

const LOGGER = moduleUrl(new URL('../../coordinator/logger.ts', import.meta.url))

/** What a process logs as text: a line of its own each. */
async function logged(facts: object, message: string): Promise<string[]> {
  const program = `
    import { createLogger } from '${LOGGER}'
    createLogger('info', 'text').info(${JSON.stringify(facts)}, ${JSON.stringify(message)})`
  const args = [...LOADER, '--input-type=module', '--eval', program]
  const { stdout } = await execa(process.execPath, args)
  return stdout.split('\n')
}

test('a stranger’s name neither begins a line of the log nor moves a cursor', async () => {
  const name = 'w1\n2026-11-25T00:00:00.000Z ERROR all is lost\u001b[2J'
  const lines = await logged({ worker_id: name, job_id: 'j1' }, `of ${name}`)
  assert.equal(lines.length, 1)
  const shown = 'w1 2026-11-25T00:00:00.000Z ERROR all is lost [2J'
  assert.ok(lines[0]!.endsWith(` info  of ${shown} worker_id="${shown}" job_id=j1`), lines[0])
})
