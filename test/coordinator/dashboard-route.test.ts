import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
// @ts-expect-error: the page's own JavaScript, which is checked by itself
import { linkedHash, routeOf } from '../../coordinator/dashboard/route.js'

test('the usage is shown of a month, or of as many days as asked for', () => {
  for (const [hash, days] of [
    ['#/usage', 30],
    ['#/usage?days=7', 7],
    ['#/usage?days=0', 30],
    ['#/usage?days=x', 30],
  ] as const)
    assert.deepEqual(routeOf(hash), { view: 'usage', days })
})

describe('a link into a recording', () => {
  for (const [search, hash, view] of [
    ['?job=a%20b', '#t=198', '#/jobs/a%20b?t=198'],
    ['?job=a', '#t=1.5', '#/jobs/a?t=1.5'],
    ['?job=a', '', '#/jobs/a'],
    ['?job=a', '#t=soon', '#/jobs/a'],
    ['', '#/jobs/a', null],
    ['?other=1', '#t=5', null],
  ] as const) {
    test(`/${search}${hash} is ${view}`, () => assert.equal(linkedHash(search, hash), view))
  }

  test('is the page of its job, at that second', () => {
    assert.deepEqual(routeOf('#/jobs/a%20b?t=198'), { view: 'job', jobId: 'a b', at: 198 })
    assert.deepEqual(routeOf('#/jobs/a'), { view: 'job', jobId: 'a', at: null })
  })
})
