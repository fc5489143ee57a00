import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { execa } from 'execa'
import {
  API_PAGE,
  describedApi,
  SPEECH_PAGE,
  withApi,
  withParameters,
} from '../scripts/api-tables.ts'
import { programCode, startCoordinator, type RunningCoordinator } from '../scripts/processes.ts'
import { SETTINGS_PAGE, withSettings } from '../scripts/settings-tables.ts'
import { isErrorCode } from '../shared/errors.ts'
import { PAGES, readPage as read, ROOT, snippetsOf, type Snippet } from './clients/snippets.ts'
import { tempFolder } from './shared/temp-folder.ts'

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
  [
    'morag-agent start --diarize --speaker-command "',
    'the program is the reader’s; agent/speaker-command.test.ts runs its like',
  ],
  [
    'curl http://127.0.0.1:8000/ready   ',
    'the database and nginx are the reader’s; faults/several-kills.test.ts kills some of three',
  ],
  [
    'morag-agent watch ~/recordings',
    'it runs until it is stopped; files.test.ts runs it in a folder of its own',
  ],
  ['# Save as ', 'their models need an account or a GPU'],
  [
    'morag-agent start --speaker-command "python',
    'the models need an account or a GPU; agent/speaker-command.test.ts reads what they write',
  ],
  [
    'morag-agent start --engine command --engine-output text',
    'the address is the reader’s; agent/command-recipes.test.ts runs its command',
  ],
  ...['# openai_client.py', '# asr.sh'].map((line): [string, string] => [
    line,
    'engines/front-door.test.ts installs what it needs and runs it',
  ]),
  ...['from langchain_core', 'from llama_index', 'from uuid', 'import psycopg'].map(
    (line): [string, string] => [
      `import json\n${line}`,
      'its packages are not the project’s; engines/retrieval.test.ts installs and runs them',
    ],
  ),
  [
    'npm run agent -- transcribe talk.mp3                                      # alone',
    'an overview; conversion.test.ts runs both',
  ],
])

/** Flags of other programs: npm, curl, docker, kubectl, pg_isready, pandoc, tesseract, cmake, the project's scripts, examples. */
const OTHER_FLAGS = new Set(
  `--global --omit --import --prefix --retry --retry-connrefused --form-string --json --gpus --to --build --target --keep
   --minutes --in --lang --out --models --now --only --server --strict-pipeline --vad --backend --output-format
   --fail-with-body --rttm --min --max --agents --seconds --rate --coordinators --from-literal --from-file
   --username --beside`.match(/\S+/g),
)

test('the settings page has the settings as the programs have them', () => {
  const page = read(SETTINGS_PAGE)
  assert.equal(page, withSettings(page), 'run: npm run docs:settings')
})

test('the page of other APIs has their parameters as the coordinator takes them', () => {
  const page = read(SPEECH_PAGE)
  assert.equal(page, withParameters(page), 'run: npm run docs:api')
})

describe('what a coordinator has is on a page', () => {
  const folder = tempFolder()
  let coordinator: RunningCoordinator
  before(async () => {
    coordinator = await startCoordinator(folder, folder)
  })
  after(async () => {
    coordinator.signal('SIGKILL')
    await coordinator.ended
  })

  test('routes and error codes', async () => {
    const page = read(API_PAGE)
    const described = await describedApi(coordinator.url)
    assert.equal(page, withApi(page, described), 'run: npm run docs:api')
  })

  test('metrics', async () => {
    const answer = await fetch(`${coordinator.url}/metrics`)
    const names = [...(await answer.text()).matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name!)
    assert.ok(names.length > 30)
    const page = read('coordinator/docs/operations.md')
    assert.deepEqual(
      names.filter((name) => !page.includes(`\`${name}\``)),
      [],
    )
  })
})

test('the README has at most 150 lines', () => {
  assert.ok(read('README.md').split('\n').length <= 151)
})

/** The places in the project that a page links to, pictures included. */
function linksOf(page: string): { link: string; target: string; anchor: string | undefined }[] {
  return [...read(page).matchAll(/\]\((?!https?:)([^)]*)\)/g)].map(([, link]) => {
    const [file, anchor] = link!.split('#')
    const target = file === '' ? page : path.join(path.dirname(page), file!)
    return { link: link!, target, anchor }
  })
}

test('every page can be reached from the README', () => {
  const reached = new Set(['README.md'])
  for (const page of reached)
    for (const { target } of linksOf(page)) if (PAGES.includes(target)) reached.add(target)
  assert.deepEqual(
    PAGES.filter((page) => !reached.has(page)),
    [],
  )
})

/** Code within sentences, and the blocks. */
function codeOf(page: string): string[] {
  const spans = [...read(page).matchAll(/`([^`\n]+)`/g)].map(([, code]) => code!)
  return [...spans, ...snippetsOf(page).map(({ code }) => code)]
}

for (const page of PAGES) {
  test(`every link of ${page} leads somewhere`, () => {
    for (const { link, target, anchor } of linksOf(page)) {
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

/** Without those that describe recorded output of other programs. */
const GUIDES = PAGES.filter((page) => !page.startsWith('test/'))

/** What starts and watches the programs. */
const DEPLOYED = readdirSync(path.join(ROOT, 'scripts/deploy'), {
  recursive: true,
  encoding: 'utf8',
})
  .filter((name) => /\.(yaml|service)$/.test(name))
  .map((name) => `scripts/deploy/${name}`)

describe('what the pages name is there', () => {
  test('files and folders of the project', () => {
    const missing = PAGES.flatMap((page) =>
      codeOf(page)
        .flatMap(
          (code) =>
            code.match(/(?<![\w./-])(?:agent|coordinator|shared|scripts|test)\/[\w./-]*\w/g) ?? [],
        )
        .filter((file) => !existsSync(path.join(ROOT, file)))
        .map((file) => `${page}: ${file}`),
    )
    assert.deepEqual(missing, [])
  })

  test('and the architecture page names every folder of the programs', () => {
    const page = read('shared/docs/architecture.md')
    const [, coordinator = '', agent = ''] = page.split(/^## The (?=coordinator|agent)/m)
    const unnamed = Object.entries({ coordinator, agent }).flatMap(([program, text]) =>
      readdirSync(path.join(ROOT, program), { withFileTypes: true })
        .filter((entry) => entry.isDirectory() && !['assets', 'docs'].includes(entry.name))
        .filter(({ name }) => !text.includes(` ${name}/ `))
        .map(({ name }) => `${program}/${name}`),
    )
    assert.deepEqual(unnamed, [])
  })

  test('scripts of package.json', () => {
    const { scripts } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>
    }
    const missing = PAGES.flatMap((page) =>
      [...read(page).matchAll(/npm run (?:-s )?([\w:-]+)/g)]
        .filter(([, name]) => !Object.hasOwn(scripts, name!))
        .map(([command]) => `${page}: ${command}`),
    )
    assert.deepEqual(missing, [])
  })

  test('error codes', () => {
    const table = read('shared/docs/job-states.md').split('## Error codes')[1] ?? ''
    const rows = table.match(/^\| `.*? \|/gm) ?? []
    const codes = rows.flatMap((row) => [...row.matchAll(/`(\w+)`/g)].map(([, code]) => code!))
    assert.ok(codes.length > 15)
    assert.deepEqual(
      codes.filter((code) => !isErrorCode(code)),
      [],
    )
  })

  test('commands and flags of the programs', async () => {
    const [agent, coordinator] = await Promise.all([wordsOf('agent'), wordsOf('coordinator')])
    const programs: Record<string, Map<string, string[]>> = { agent, coordinator }
    const flags = new Set([...agent.values(), ...coordinator.values()].flat())
    const missing = [...GUIDES, ...DEPLOYED].flatMap((page) =>
      (page.endsWith('.md') ? codeOf(page) : [read(page)]).flatMap((code) => {
        const unknown = (code.match(/(?<![\w-])--[a-z][\w-]*/g) ?? []).filter(
          (flag) => !flags.has(flag) && !OTHER_FLAGS.has(flag),
        )
        const calls = [...code.matchAll(CALL)].filter(([, program, ...command]) => {
          return !isCommand(programs[program!]!, command)
        })
        return [...unknown, ...calls.map(([call]) => call)].map((one) => `${page}: ${one}`)
      }),
    )
    assert.deepEqual(missing, [])
  })
})

/** `morag-agent models pull`, in a checkout `npm run agent -- models pull`. */
const CALL =
  /(?:morag-|npm run (?:-s )?)(agent|coordinator)(?: --)? ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?/g

/** Whether a program has a command; one that groups others is followed by one of them. */
function isCommand(words: Map<string, string[]>, [name, below]: (string | undefined)[]): boolean {
  const after = words.get(name!)
  if (after === undefined) return false
  const isGroup = words.has(`${name} ${after[0]}`)
  return !isGroup || below === undefined || after.includes(below)
}

/** What may follow each command of a program, by its script for bash. */
async function wordsOf(program: 'agent' | 'coordinator'): Promise<Map<string, string[]>> {
  const args = [...programCode(program), 'completion', 'bash']
  const { stdout } = await execa(process.execPath, args, { cwd: ROOT })
  const cases = [...stdout.matchAll(/^ *'([^']*)'\) words='([^']*)'/gm)]
  return new Map(cases.map(([, command, list]) => [command!, list!.split(' ')]))
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
