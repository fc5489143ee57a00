import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { findProgram } from '../../agent/process/find-program.ts'
import { snippetsOf } from '../clients/snippets.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const DEPLOY = path.join(ROOT, 'scripts/deploy')
const FILES = textsBelow(DEPLOY)

/** The texts of the files in a folder, by their names in it. */
function textsBelow(folder: string): Map<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  const files = names.filter((name) => path.extname(name) !== '')
  return new Map(files.map((name) => [name, readFileSync(path.join(folder, name), 'utf8')]))
}

/** What the files name and the product has not. */
function unknown(pattern: RegExp, isKnown: (name: string) => boolean): string[] {
  return [...FILES].flatMap(([file, text]) => {
    const names = new Set([...text.matchAll(pattern)].map(([name]) => name))
    return [...names].filter((name) => !isKnown(name)).map((name) => `${file}: ${name}`)
  })
}

describe('what the files of scripts/deploy name is in the programs', () => {
  it('variables', () => {
    const settings = readFileSync(path.join(ROOT, 'shared/docs/settings.md'), 'utf8')
    assert.deepEqual(
      unknown(/\bMORAG_[A-Z_]+\b/g, (name) => settings.includes(`\`${name}\``)),
      [],
    )
  })

  it('metrics, and the recorded ones are in alerts.yaml', () => {
    const metrics = [...textsBelow(path.join(ROOT, 'coordinator/metrics')).values()].join('\n')
    const rules = FILES.get('alerts.yaml')!
    assert.deepEqual(
      unknown(/\bmorag_[a-z_]+\b/g, (name) => {
        const family = name.replace(/_(bucket|count|sum)$/, '')
        return [name, family].some((one) => metrics.includes(`'${one}'`))
      }),
      [],
    )
    assert.deepEqual(
      unknown(/\bmorag:[a-z_:]+\b/g, (name) => rules.includes(`record: ${name}\n`)),
      [],
    )
  })

  it('and each alert is raised by a test of its own', () => {
    const alerts = [...FILES.get('alerts.yaml')!.matchAll(/alert: (\w+)/g)].map(([, name]) => name!)
    assert.ok(alerts.length > 10)
    const tests = FILES.get('alerts.test.yaml')!
    assert.deepEqual(
      alerts.filter((name) => !new RegExp(`${name}[",\\n]`).test(tests)),
      [],
    )
  })
})

const nginx = findProgram('nginx')
const NGINX = 'scripts/deploy/nginx.conf'

describe('nginx', { skip: nginx === null && 'nginx is not here' }, () => {
  const folder = tempFolder()

  it('reads its file, with the addresses that the page puts into it', async () => {
    const found = snippetsOf('coordinator/docs/scaling-out.md').find(({ code }) =>
      code.includes('/nginx.conf'),
    )
    const [sed] = found!.code.split(' > ')
    const script = sed!.replace(/^deploy=.*$/m, `deploy=${path.dirname(path.join(ROOT, NGINX))}`)
    const { stdout } = await execa(script, { shell: true })
    assert.equal([...stdout.matchAll(/server 127\.0\.0\.1:800[123] max_fails/g)].length, 3)
    const file = path.join(folder, 'nginx.conf')
    await writeFile(file, stdout.replace('/run/nginx.pid', path.join(folder, 'nginx.pid')))
    const { exitCode, all } = await execa(nginx!, ['-t', '-c', file], { all: true, reject: false })
    assert.equal(exitCode, 0, all)
  })
})

const promtool = findProgram('promtool')

describe('Prometheus', { skip: promtool === null && 'promtool is not here' }, () => {
  const folder = tempFolder()

  it('raises the alerts as their tests say', async () => {
    const args = ['test', 'rules', path.join(DEPLOY, 'alerts.test.yaml')]
    const { exitCode, all } = await execa(promtool!, args, {
      all: true,
      reject: false,
      // It leaves its storage there.
      env: { TMPDIR: folder },
    })
    assert.equal(exitCode, 0, all)
  })

  it('can read every rule, and every expression of the dashboard', async () => {
    const dashboard = [...FILES.get('grafana-dashboard.json')!.matchAll(/"expr": (".*")/g)]
    assert.ok(dashboard.length > 20)
    const expressions = dashboard.map(([, text]) =>
      String(JSON.parse(text!)).replaceAll('$__rate_interval', '5m'),
    )
    const rules = expressions.map((expr, at) => ({ record: `panel:${at}`, expr }))
    // JSON is YAML.
    const file = path.join(folder, 'dashboard.yaml')
    await writeFile(file, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }))
    const args = ['check', 'rules', path.join(DEPLOY, 'alerts.yaml'), file]
    const { exitCode, all } = await execa(promtool!, args, { all: true, reject: false })
    assert.equal(exitCode, 0, all)
  })
})
