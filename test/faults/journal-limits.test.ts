import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import path from 'node:path'
import { describe, test } from 'node:test'
import { execa } from 'execa'
import { tempFolder } from '../shared/temp-folder.ts'
import { LOADER, moduleUrl } from '../../scripts/node-script.ts'

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

const JOURNAL = moduleUrl(new URL('../../coordinator/storage/journal.ts', import.meta.url))
const FILES = moduleUrl(new URL('../../coordinator/storage/journal-files.ts', import.meta.url))

/** Appends to a journal until it is refused, and says what became of it. */
function refused(dir: string): string {
  return `
    import { Journal } from '${JOURNAL}'
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

/** Cuts a journal while no descriptor is free, and again when there are some. */
function cutLater(dir: string): string {
  return `
    import { openSync, closeSync } from 'node:fs'
    import { Journal } from '${JOURNAL}'
    import { replayLog } from '${FILES}'
    const journal = await Journal.start('${dir}')
    await journal.append({ remove: 'before' })
    const held = []
    try {
      for (;;) held.push(openSync('/dev/null'))
    } catch (error) {
      if (error.code !== 'EMFILE') throw error
    }
    const cut = await journal.cut().then(() => 'cut', (error) => error.code)
    await journal.append({ remove: 'meanwhile' })
    const { failure } = journal
    held.forEach((one) => closeSync(one))
    await journal.cut()
    await journal.append({ remove: 'after' })
    const entries = []
    replayLog('${dir}', ({ remove }) => entries.push(remove))
    console.log(JSON.stringify({ cut, failure, aside: journal.hasPrevious, entries }))
    await journal.close()`
}

interface Said {
  refused: { code: string; message: string; cause: number }
  end: { failure: unknown; goesOn: boolean; taken: number }
}

/** What a script says, in lines of JSON. @param start what begins a shell's line that ends with it. */
async function run(start: string, script: string): Promise<unknown[]> {
  const node = [process.execPath, ...LOADER, '--input-type=module', '--eval']
  const { stdout } = await execa('sh', ['-c', `${start} "$@"`, 'sh', ...node, script])
  return stdout.split('\n').map((line) => JSON.parse(line) as unknown)
}

async function runRefused(start: string, dir: string): Promise<Said> {
  const lines = await run(start, refused(dir))
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
    const { refused, end } = await runRefused(`exec 3< '${filter}'; ${bwrap}`, dir)
    assert.equal(refused.cause, -constants.errno.EDQUOT)
    assert.equal(refused.code, 'no_space')
    assert.match(refused.message, /disk space.*EDQUOT: disk quota exceeded/)
    assert.deepEqual(end, { failure: null, goesOn: false, taken: 0 })
  })

  test('refuses alone what makes its file too long, and goes on in the next one', async () => {
    // In blocks of 512 bytes.
    const { refused, end } = await runRefused('ulimit -f 32; exec', tempFolder())
    assert.equal(refused.cause, -constants.errno.EFBIG)
    assert.equal(refused.code, 'no_space')
    assert.deepEqual(end, { failure: null, goesOn: true, taken: end.taken })
    assert.ok(end.taken > 10)
  })

  test('goes on uncut while no descriptor is free, and is cut when there are some', async () => {
    const [said] = await run('ulimit -n 64; exec', cutLater(tempFolder()))
    assert.deepEqual(said, {
      cut: 'EMFILE',
      failure: null,
      aside: true,
      entries: ['before', 'meanwhile', 'after'],
    })
  })
})
