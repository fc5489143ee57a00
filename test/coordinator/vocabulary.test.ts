import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { Command } from 'commander'
import { addVocabularyCommands } from '../../coordinator/commands/vocabulary.ts'
import { startRunning, tokensIn } from './running.ts'

const ADMIN = { role: 'admin', types: null, lifeMs: null } as const

test("the terms of a job's token reach its worker, after the job's own", async (t) => {
  const running = await startRunning(t)
  const { dataDir } = running
  const tokens = tokensIn(dataDir)
  const [web, other] = [
    await tokens.create({ ...ADMIN, name: 'web' }),
    await tokens.create({ ...ADMIN, name: 'other' }),
  ]
  const vocabulary = async (...args: string[]): Promise<void> => {
    const cli = new Command().exitOverride()
    addVocabularyCommands(cli)
    await cli.parseAsync(['vocabulary', ...args, '--data-dir', dataDir], { from: 'user' })
  }
  const file = path.join(running.root, 'names.txt')
  writeFileSync(file, 'Dashwood = dash wood\nQdrant = cube rent\n')
  await vocabulary('set', 'web', file)
  assert.equal(tokensIn(dataDir).find('web').vocabulary.length, 2)

  const create = async (token: string, taskOptions: object) =>
    await running.ask('POST', '/remote-jobs', {
      json: {
        source_file_path: running.file('talk.mp3'),
        content_type: 'audio',
        ingestion_task_id: 'task-1',
        task_options: taskOptions,
      },
      headers: { authorization: `Bearer ${token}` },
    })
  const claimed = async (): Promise<unknown> => {
    const { body } = await running.ask('POST', '/remote-jobs/claim', {
      json: { worker_id: 'w', claim_id: randomUUID(), content_types: ['audio'] },
      headers: { authorization: `Bearer ${other.token}` },
    })
    const [job] = body['jobs'] as { task_options: Record<string, unknown> }[]
    return job?.task_options
  }
  const own = { vocabulary: ['Ashwood', { term: 'Qdrant', heard_as: ['Q brand'] }] }
  const made = await create(web.token, own)
  assert.equal(made.status, 200, made.text)
  assert.deepEqual(await claimed(), {
    vocabulary: [
      { term: 'Ashwood', heard_as: [] },
      { term: 'Qdrant', heard_as: ['Q brand', 'cube rent'] },
      { term: 'Dashwood', heard_as: ['dash wood'] },
    ],
  })
  assert.equal((await create(other.token, {})).status, 200)
  assert.deepEqual(await claimed(), {})

  await vocabulary('remove', 'web')
  assert.equal((await create(web.token, {})).status, 200)
  assert.deepEqual(await claimed(), {})

  const refused = await create(web.token, { vocabulary: ['Ashwood', 7] })
  assert.equal(refused.status, 422)
  assert.match(refused.text, /"task_options","vocabulary",1\].*term 2 is not a text of up to 100/)
  const form = await create(web.token, { ingest_as: 'pieces' })
  assert.deepEqual([form.status, form.body['code']], [422, 'invalid'])
  await assert.rejects(vocabulary('set', 'nobody', file), /There is no such token/)
})
