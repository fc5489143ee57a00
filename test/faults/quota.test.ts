import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import path from 'node:path'
import { describe, test } from 'node:test'
import { execa } from 'execa'
import { tempFolder } from '../shared/temp-folder.ts'

/** The number of the system call that Node writes into the middle of a file with. */
const PWRITE64: Partial<Record<string, number>> = { x64: 18, arm64: 68 }

/**
 * A seccomp filter by which the kernel refuses pwrite64 with EDQUOT: what a used-up quota says, where there is no file
 * system with quotas. One `struct sock_filter` a row.
 */
function quotaFilter(call: number): Buffer {
  const program: [code: number, ifTrue: number, ifFalse: number, operand: number][] = [
    [0x20, 0, 0, 0],
    [0x15, 0, 1, call],
    [0x06, 0, 0, 0x00050000 | constants.errno.EDQUOT],
    [0x06, 0, 0, 0x7fff0000],
  ]
  return Buffer.concat(
    program.map(([code, ifTrue, ifFalse, operand]) => {
      const row = Buffer.alloc(8)
      row.writeUInt16LE(code, 0)
      row.writeUInt8(ifTrue, 2)
      row.writeUInt8(ifFalse, 3)
      row.writeUInt32LE(operand, 4)
      return row
    }),
  )
}

/** Appends to a journal until it is refused, and says what became of it. */
function script(dir: string): string {
  const journal = new URL('../../coordinator/storage/journal.ts', import.meta.url).href
  return `
    import { Journal, replay } from '${journal}'
    const journal = await Journal.start('${dir}')
    let taken = 0
    const append = async () => {
      try {
        await journal.append({ remove: 'x'.repeat(1_000) })
        taken += 1
        return true
      } catch (error) {
        console.log(JSON.stringify({ code: error.code, message: error.message, cause: error.cause?.errno }))
        return false
      }
    }
    for (let n = 0; n < 100 && await append(); n += 1);
    await journal.cut()
    const goesOn = await append()
    console.log(JSON.stringify({ failure: journal.failure, goesOn, taken }))
    await journal.close()`
}

interface Said {
  refused: { code: string; message: string; cause: number }
  end: { failure: unknown; goesOn: boolean; taken: number }
}

async function run(start: string, dir: string): Promise<Said> {
  const node = [process.execPath, '--import', 'tsx', '--input-type=module', '--eval']
  const { stdout } = await execa('sh', ['-c', `${start} "$@"`, 'sh', ...node, script(dir)])
  const lines = stdout.split('\n').map((line) => JSON.parse(line) as unknown)
  return { refused: lines[0], end: lines.at(-1) } as Said
}

describe('a journal', () => {
  test('refuses alone what is beyond a quota: the kernel says EDQUOT, Node an unknown error', async (t) => {
    const call = PWRITE64[process.arch]
    const bwrap = 'exec bwrap --dev-bind / / --seccomp 3'
    const isHere = await execa('bwrap', ['--dev-bind', '/', '/', 'true'], { reject: false })
    if (call === undefined || isHere.failed) return t.skip('it needs bwrap to stage the quota')
    const dir = tempFolder()
    const filter = path.join(dir, 'filter')
    writeFileSync(filter, quotaFilter(call))
    const { refused, end } = await run(`exec 3< '${filter}'; ${bwrap}`, dir)
    assert.equal(refused.cause, -constants.errno.EDQUOT)
    assert.equal(refused.code, 'no_space')
    assert.match(refused.message, /disk space.*EDQUOT: disk quota exceeded/)
    assert.deepEqual(end, { failure: null, goesOn: false, taken: 0 })
  })

  test('refuses alone what makes its file too long, and goes on in the next one', async () => {
    // In blocks of 512 bytes.
    const { refused, end } = await run('ulimit -f 32; exec', tempFolder())
    assert.equal(refused.cause, -constants.errno.EFBIG)
    assert.equal(refused.code, 'no_space')
    assert.deepEqual(end, { failure: null, goesOn: true, taken: end.taken })
    assert.ok(end.taken > 10)
  })
})
