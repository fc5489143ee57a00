import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { describe, test } from 'node:test'
import { withSettings } from '../scripts/settings-tables.ts'
import { PAGES, readPage as read, ROOT, snippetsOf, type Snippet } from './clients/snippets.ts'

/**
 * Code on a page that talks to a coordinator is run by clients.test.ts, which takes what names its file in its first
 * line. What cannot be run begins like this, for this reason.
 */
const NOT_RUN = new Map([
  [
    'npm run agent -- start --url https://morag.example',
    'the address and the key are the reader’s; conversion.test.ts starts agents with theirs',
  ],
  [
    'morag-agent start --url https://morag.example',
    'the address and the key are the reader’s; conversion.test.ts starts agents with theirs',
  ],
])

describe('the README', () => {
  const readme = read('README.md')

  test('has the settings as the programs have them', () => {
    assert.equal(readme, withSettings(readme), 'run: npm run docs:settings')
  })

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

describe('code that talks to a coordinator', () => {
  const drawings = ['', 'toml', 'ini', 'yaml', 'json', 'text']
  const talks = ({ language, code }: Snippet): boolean =>
    language === 'sh' ? /curl|wget|--url|https?:/.test(code) : !drawings.includes(language)
  const found = PAGES.flatMap(snippetsOf).filter(talks)
  const reasonOf = ({ code }: Snippet): string | undefined =>
    [...NOT_RUN.keys()].find((start) => code.startsWith(start))

  test('names its file, and so is run by a test, or is known not to be', () => {
    assert.ok(found.length > 10)
    const neither = found.filter((one) => one.name === null && reasonOf(one) === undefined)
    assert.deepEqual(
      neither.map(({ page, code }) => `${page}: ${code.slice(0, 80)}`),
      [],
    )
  })

  test('is known not to be run only where it is still there', () => {
    const used = new Set(found.map(reasonOf))
    assert.deepEqual(
      [...NOT_RUN.keys()].filter((start) => !used.has(start)),
      [],
    )
  })
})
