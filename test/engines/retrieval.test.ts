import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { before, describe, test } from 'node:test'
import { execa } from 'execa'
import { retrievalPython } from '../../scripts/engines/python.ts'
import { renderChunks } from '../../shared/chunks.ts'
import { snippetsOf } from '../clients/snippets.ts'
import { tempFolder } from '../shared/temp-folder.ts'

/** For the page's embedding model: the letters and digits of a text. */
const BEFORE = `
def embed(texts):
    return [[float(text.count(letter)) for letter in "abcdefghijklmnopqrstuvwxyz0123456789"] for text in texts]
`

const segments = Array.from({ length: 60 }, (_, i) => ({
  start: i * 4,
  end: i * 4 + 4,
  text: `Sentence ${i} ${'goes on and on '.repeat(5)}here.`,
}))
const chunks = renderChunks(segments, { file_name: 'talk.mp3', language: 'en' }, { jobId: 'j' })

/** By the package: what the page's code has made, and Python that prints it. */
const PACKAGES: Record<string, string> = {
  langchain_core: `
print(documents[1].id, documents[1].page_content == chunks[1]["text"], documents[1].metadata["href"])`,
  llama_index: `
print(nodes[1].node_id, nodes[1].text == chunks[1]["text"], nodes[1].metadata["href"])
assert nodes[1].prev_node.node_id == "j-0" and nodes[0].prev_node is None`,
  qdrant_client: `
[point] = client.query_points("talks", query=vectors[1], limit=1).points
print(point.payload["id"], point.payload["text"] == chunks[1]["text"], point.payload["source"]["href"])`,
  pgvector: `
with psycopg.connect(DATABASE) as database:
    id, text, chunk = database.execute(
        "SELECT id, text, chunk FROM chunks ORDER BY embedding <-> %s::vector LIMIT 1", [str(vectors[1])]
    ).fetchone()
    print(id, text == chunks[1]["text"], chunk["source"]["href"])`,
}

describe('the page on chunks loads them into', () => {
  const folder = tempFolder()
  let python = ''

  before(async () => {
    python = await retrievalPython({ signal: new AbortController().signal })
    await writeFile(path.join(folder, 'talk.chunks.jsonl'), chunks)
  })

  for (const [name, after] of Object.entries(PACKAGES)) {
    test(name, async () => {
      const found = snippetsOf('shared/docs/chunks.md').filter(({ code }) => code.includes(name))
      assert.equal(found.length, 1)
      const server =
        name === 'pgvector'
          ? 'import pgserver\nDATABASE = pgserver.get_server("postgres").get_uri()\n'
          : ''
      // Twice: the same chunks replace themselves.
      const code = found[0]!.code
      const again = name === 'pgvector' ? code : ''
      const program = [server, BEFORE, code, again, after].join('\n')
      const { stdout } = await execa(python, ['-c', program], { cwd: folder })
      assert.equal(stdout.trim().split('\n').at(-1), 'j-1 True /?job=j#t=72')
    })
  }
})
