import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Hono } from 'hono'
import { describeRoute } from '../../coordinator/openapi/describe-route.ts'
import { OwnPaths } from '../../coordinator/routes/own-paths.ts'
import { API } from '../../shared/wire.ts'

describe("the coordinator's paths, as against those of the MoRAG server behind it", () => {
  const route = (id: string, isShared = false) =>
    describeRoute({ id, tag: 'Jobs', summary: id, answer: ['text/plain'], isShared })
  const app = new Hono()
    .get(`${API}/things`, route('list'), (c) => c.text(''))
    .get(`${API}/trees/:id/leaves`, route('tree'), (c) => c.text(''))
    .get(`${API}/tasks/:id`, route('task', true), (c) => c.text(''))
    .get(`${API}/*`, (c) => c.text(''))
  const own = new OwnPaths(() => app.routes)

  for (const [path, isOwn] of [
    ['/things', true],
    ['/things/', true],
    ['/things/below', false],
    ['/trees', true],
    ['/trees/1/anything', true],
    ['/tasks/1', false],
    ['/others', false],
  ] as const) {
    it(`${isOwn ? 'have' : 'have not'} ${path}`, () => {
      assert.equal(own.has(API + path), isOwn)
    })
  }
})
