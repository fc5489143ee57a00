import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { OpenCount } from '../../coordinator/access/open-count.ts'
import { API_KEY_HOLDER, type Principal } from '../../coordinator/access/principal.ts'

const holder = (tokenId: string): Principal => ({
  role: 'worker',
  tokenId,
  name: `name of ${tokenId}`,
  types: null,
})

describe('what one token has open', () => {
  it('has a limit of its own, which others do not share', () => {
    const count = new OpenCount('waiting calls', 2)
    const release = count.hold(holder('a'))
    count.hold(holder('a'))
    assert.throws(() => count.hold(holder('a')), {
      code: 'too_many_requests',
      message: /^2 waiting calls of the token name of a are open/,
    })
    count.hold(holder('b'))
    release()
    count.hold(holder('a'))
  })

  it('is counted down once, however often it is ended', () => {
    const count = new OpenCount('event streams', 2)
    const release = count.hold(holder('a'))
    count.hold(holder('a'))
    release()
    release()
    count.hold(holder('a'))
    assert.throws(() => count.hold(holder('a')))
  })

  it('is not counted for the API key', () => {
    const count = new OpenCount('event streams', 1)
    for (let i = 0; i < 10; i += 1) count.hold(API_KEY_HOLDER)
  })
})
