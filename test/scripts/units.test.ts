import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { findProgram } from '../../agent/process/find-program.ts'
import { converterCommands, converterText } from '../../shared/converter-command.ts'
import { systemdUnit } from '../../agent/commands/service.ts'
import { PAGES } from '../clients/snippets.ts'

const DEPLOY = fileURLToPath(new URL('../../scripts/deploy/', import.meta.url))
const UNITS = ['morag-agent.service', 'morag-coordinator.service']
const analyze = findProgram('systemd-analyze')
const skip = analyze === null ? 'systemd-analyze is not here' : false

/** What systemd itself says of a unit: lines. */
async function says(...args: string[]): Promise<string> {
  const { all, exitCode } = await execa(analyze!, ['--no-pager', ...args], {
    all: true,
    reject: false,
  })
  assert.equal(exitCode, 0, all)
  return all
}

describe('the systemd units', () => {
  for (const unit of UNITS) {
    it(`${unit} exposes no more than 2.0 of 10`, { skip }, async () => {
      const text = await says('security', '--offline=true', '--threshold=20', `${DEPLOY}${unit}`)
      assert.match(text, /Overall exposure level for .*: [012]\.\d/)
    })

    it(`${unit} is one that systemd reads without a word`, { skip }, async () => {
      const text = await says('verify', `${DEPLOY}${unit}`)
      // Of a machine on which the programs are not installed, or that has none of systemd's own units.
      const complaints = text
        .split('\n')
        .filter((line) => line.includes(unit) && !/not (executable|found)/.test(line))
      assert.deepEqual(complaints, [])
    })

    it(`${unit} and its programs come from a release, not from a name that anybody may take`, async () => {
      const text = await readFile(`${DEPLOY}${unit}`, 'utf8')
      assert.match(text, /npm install .*\.tgz/)
    })
  }

  it('let ffmpeg be locked in and GPUs be reached', async () => {
    const text = await readFile(`${DEPLOY}morag-agent.service`, 'utf8')
    for (const line of [
      'RestrictNamespaces=user mnt net',
      'DeviceAllow=char-nvidia* rw',
      'SystemCallFilter=@mount',
    ]) {
      assert.ok(text.includes(`\n${line}\n`), line)
    }
  })

  it('that the agent prints is the one in the repository', async () => {
    const shipped = await readFile(`${DEPLOY}morag-agent.service`, 'utf8')
    const unit = await systemdUnit('http://127.0.0.1:8000', ['audio', 'video'])
    assert.equal(unit, shipped)
  })

  it('names converters so that they are read again as they were', async () => {
    const commands = {
      document: ['/opt/tool', `it's "90 %"; \\ $HOME`, '--to=md', '{input}'],
      image: ['ocr', '', '{input}'],
    }
    const variables = { MORAG_CONVERTERS: converterText(commands) }
    const unit = await systemdUnit('http://a', ['document'], variables)
    const [, line = ''] = /^Environment="MORAG_CONVERTERS=(.*)"\nExecStart=/m.exec(unit) ?? []
    const read = line.replaceAll(/\\(.)/g, '$1').replaceAll('%%', '%')
    assert.deepEqual(converterCommands(read, 'converter'), commands)
  })

  it('have an address as it is, though systemd reads % as the beginning of something else', async () => {
    const unit = await systemdUnit('https://morag.example/a%20b$&', ['audio'])
    assert.match(unit, /^Environment=MORAG_API_BASE_URL=https:\/\/morag\.example\/a%%20b\$&$/m)
    assert.match(unit, /--types audio$/m)
    assert.match(unit, /^# .*--url https:\/\/morag\.example\/a%20b\$& writes it$/m)
    assert.ok(!unit.includes('127.0.0.1'))
  })
})

describe('the images', () => {
  const read = async (name: string): Promise<string> => await readFile(`${DEPLOY}${name}`, 'utf8')

  it('of the agent has the voice detector, which is an optional package', async () => {
    const text = await read('agent-cuda.Dockerfile')
    assert.match(text, /npm install --global/)
    assert.doesNotMatch(text, /omit=optional/)
  })

  it('begin with an init, also under compose', async () => {
    for (const name of ['agent-cuda.Dockerfile', 'coordinator.Dockerfile']) {
      assert.match(await read(name), /^ENTRYPOINT \["tini", "--", /m, name)
    }
    assert.match(await read('compose.yaml'), /entrypoint:\s*\[\s*'tini',\s*'--',/)
  })

  it('of the coordinator asks for its health over TLS where that is spoken', async () => {
    assert.match(await read('coordinator.Dockerfile'), /CMD \["morag-coordinator", "health"\]/)
  })

  it('are built of the checkout, and no document names a package of the registry that is not ours', async () => {
    const documents = [...PAGES.map((page) => `../../${page}`), ...UNITS]
    for (const name of [
      ...documents,
      'agent-cuda.Dockerfile',
      'coordinator.Dockerfile',
      'compose.yaml',
    ]) {
      for (const line of (await read(name)).split('\n')) {
        if (/(npm (install|i|exec)|npx)\b.*\bmorag/.test(line))
          assert.match(line, /\.tgz/, `${name}: ${line}`)
      }
    }
  })
})
