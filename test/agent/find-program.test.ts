import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { findProgram } from '../../agent/process/find-program.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const folder = tempFolder()

describe('a program', () => {
  it('is found by its path, when it may be run', async () => {
    const program = path.join(folder, 'program')
    const text = path.join(folder, 'text')
    await writeFile(program, '', { mode: 0o755 })
    await writeFile(text, '', { mode: 0o644 })
    await mkdir(path.join(folder, 'folder'))
    assert.equal(findProgram(program), program)
    assert.equal(findProgram(text), null)
    assert.equal(findProgram(path.join(folder, 'folder')), null)
    assert.equal(findProgram(path.join(folder, 'nowhere')), null)
  })

  it('is found by its name in PATH', () => {
    assert.ok(path.isAbsolute(findProgram('sh') ?? ''))
    assert.equal(findProgram('no-program-of-that-name'), null)
  })
})
