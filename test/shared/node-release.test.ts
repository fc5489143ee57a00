import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { execa } from 'execa'
import { programCode } from '../../scripts/processes.ts'
import { nodeProblem } from '../../shared/node-release.ts'

const at = (day: string): number => Date.parse(day)

test('a Node that gets fixes, or that is newer than we know, is no problem', () => {
  assert.equal(nodeProblem('v20.19.0', at('2026-04-29')), null)
  assert.equal(nodeProblem('v22.1.0', at('2026-11-30')), null)
  assert.equal(nodeProblem('v99.0.0', at('2030-01-01')), null)
})

test('one that does not is named with the day of its end and those that do', () => {
  assert.equal(
    nodeProblem('v20.20.2', at('2026-11-30')),
    'Node 20.20.2 gets no security fixes since 2026-04-30: install Node 22, 24, or 26',
  )
  assert.match(nodeProblem('v23.0.0', at('2028-11-30')) ?? '', /install Node 26$/)
  assert.match(nodeProblem('v24.0.0', at('2031-01-01')) ?? '', /install a current one$/)
})

test('both programs say so at the start, once', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'morag-node-'))
  try {
    const hook = path.join(folder, 'hook.mjs')
    await writeFile(hook, `Object.defineProperty(process, 'version', { value: 'v21.7.3' })\n`)
    const run = async (program: 'agent' | 'coordinator', ...args: string[]): Promise<string> => {
      const child = execa(process.execPath, ['--import', hook, ...programCode(program), ...args], {
        env: { PATH: process.env['PATH'] ?? '', HOME: folder },
        extendEnv: false,
        reject: false,
        all: true,
        stdin: 'ignore',
      })
      const lines: string[] = []
      for await (const line of child.iterable({ from: 'all' })) {
        lines.push(line)
        if (/security fixes/.test(line)) child.kill('SIGTERM')
      }
      return lines.join('\n')
    }
    const said = await Promise.all([
      // A folder that cannot be made: it ends at once.
      run('agent', 'start', '--work-dir', `${hook}/work`),
      run('coordinator', 'serve', '--port', '0', '--data-dir', path.join(folder, 'data')),
    ])
    for (const text of said) {
      assert.equal(
        text.match(/Node 21\.7\.3 gets no security fixes since 2024-06-01/g)?.length,
        1,
        text,
      )
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
