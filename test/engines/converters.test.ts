import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { before, describe, test, type TestContext } from 'node:test'
import { execa } from 'execa'
import { findProgram } from '../../agent/process/find-program.ts'
import { markitdown } from '../../scripts/engines/python.ts'
import { run, startCoordinator } from '../../scripts/processes.ts'
import { TestClient } from '../conversion-set-up.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const PAGE =
  '<title>Harbours</title><h1>The harbour</h1><p>Ships came in 1911.</p><table><tr><th>Ship</th></tr><tr><td>Aurora</td></tr></table>'

/** The recipes of the agent's page: markitdown is installed for it, the others are those of the system. */
describe('converters that others have made', () => {
  const folder = tempFolder()
  const at = (name: string): string => path.join(folder, name)
  let markitdownProgram = ''

  before(async () => {
    markitdownProgram = await markitdown({ signal: new AbortController().signal })
    const python = path.join(path.dirname(markitdownProgram), 'python')
    const script = path.join(import.meta.dirname, 'make-documents.py')
    await execa(python, [script, folder])
    await writeFile(at('harbour.html'), PAGE)
  })

  for (const sandbox of ['auto', 'none'])
    test(`markitdown does html, docx and pdf (--sandbox ${sandbox})`, async (t) => {
      const command = `document=${markitdownProgram} {input}`
      const texts = await convert(t, 'document', command, sandbox, [
        at('harbour.html'),
        at('harbour.docx'),
        at('harbour.pdf'),
      ])
      const [html = '', docx = '', pdf = ''] = texts
      assert.match(
        html,
        /# The harbour\n\nShips came in 1911\.\n\n\| Ship \|\n\| --- \|\n\| Aurora \|/,
      )
      assert.match(docx, /# The harbour\n\nShips came in 1911\./)
      assert.match(pdf, /The harbour\s+Ships came in 1911\./)
    })

  test('pandoc does html and docx', async (t) => {
    if (findProgram('pandoc') === null) return t.skip('apt-get install pandoc')
    const files = [at('harbour.html'), at('harbour.docx')]
    const texts = await convert(t, 'document', 'document=pandoc --to gfm {input}', 'auto', files)
    for (const text of texts) assert.match(text, /The harbour\n\nShips came in 1911\./)
  })

  test('tesseract reads an image', async (t) => {
    if (findProgram('tesseract') === null) return t.skip('apt-get install tesseract-ocr')
    const command = 'image=tesseract {input} stdout'
    const [text = ''] = await convert(t, 'image', command, 'auto', [at('harbour.png')])
    assert.match(text, /The harbour\s+Ships came in 1911\./)
  })

  /** What an agent with that converter makes of files, for a real coordinator. */
  async function convert(
    t: TestContext,
    type: string,
    converter: string,
    sandbox: string,
    files: readonly string[],
  ): Promise<string[]> {
    const coordinator = await startCoordinator(
      at(`data-${type}-${sandbox}-${t.name.length}`),
      folder,
    )
    const work = ['--work-dir', at('work'), '--sandbox', sandbox]
    const types = ['--types', type, '--converter', converter]
    const agent = run('agent', ['start', '--url', coordinator.url, ...types, ...work])
    t.after(async () => {
      agent.signal('SIGTERM')
      await agent.ended
      coordinator.signal('SIGKILL')
    })
    const client = new TestClient(coordinator.url)
    const texts: string[] = []
    for (const file of files) {
      const jobId = await client.upload(file, type)
      const { status, error_message: why } = await client.ended(jobId)
      assert.equal(status, 'completed', why ?? '')
      texts.push((await client.result(jobId)).content)
    }
    return texts
  }
})
