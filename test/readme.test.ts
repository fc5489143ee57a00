import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { run } from '../scripts/processes.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const PAGES = [
  'README.md',
  'coordinator/README.md',
  'agent/README.md',
  '.github/CONTRIBUTING.md',
  '.github/SECURITY.md',
]
const read = (page: string): string => readFileSync(path.join(ROOT, page), 'utf8')

async function helpOf(program: 'coordinator' | 'agent', ...args: string[]): Promise<string> {
  const running = run(program, [...args, '--help'])
  assert.equal((await running.ended).exitCode, 0)
  return running.lines.join(' ').replace(/\s+/g, ' ')
}

describe('the README', () => {
  const readme = read('README.md')

  for (const [program, command] of [
    ['coordinator', 'serve'],
    ['agent', 'start'],
  ] as const) {
    test(`names every setting of ${program} ${command}`, async () => {
      const help = await helpOf(program, command)
      const names = [...help.matchAll(/(?<= )--[a-z-]+(?= )|MORAG_[A-Z_]+/g)].map(([name]) => name)
      assert.ok(names.length > 20, help)
      const missing = names.filter((name) => name !== '--help' && !readme.includes(`\`${name}`))
      assert.deepEqual(missing, [])
    })
  }

  test('shows the route of every route file', () => {
    const routes = [
      'original',
      'agents',
      'reading',
      'artifacts',
      'operating',
      'observe',
      'process',
    ].flatMap((file) => {
      const code = read(`coordinator/routes/${file}.ts`)
      return [...code.matchAll(/app\.(get|put|post|delete)\('([^']+)'/g)].map(
        ([, , route]) => route!,
      )
    })
    assert.ok(routes.length > 15)
    const last = (route: string): string =>
      route
        .replace(/\/:file.*/, '/result')
        .replace(/:\w+/g, '{id}')
        .split('/')
        .at(-1)!
    assert.deepEqual(
      routes.map(last).filter((word) => !readme.includes(word)),
      [],
    )
  })
})

for (const page of PAGES) {
  test(`every link of ${page} leads somewhere`, () => {
    const links = [...read(page).matchAll(/\]\((?!https?:)([^)]*)\)/g)].map(([, to]) => to!)
    for (const link of links) {
      const [file, anchor] = link.split('#')
      const target = file === '' ? page : path.join(path.dirname(page), file!)
      assert.ok(existsSync(path.join(ROOT, target)), `${link} of ${page}`)
      if (anchor === undefined) continue
      const anchors = [...read(target).matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
        title!
          .toLowerCase()
          .replace(/[^\w\s-]/g, '')
          .replaceAll(' ', '-'),
      )
      assert.ok(anchors.includes(anchor), `${link} of ${page}`)
    }
  })
}
