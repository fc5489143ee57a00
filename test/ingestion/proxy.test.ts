import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http'
import { connect, createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net'
import { buffer, text } from 'node:stream/consumers'
import { describe, test, type TestContext } from 'node:test'
import { NO_INGESTION, startRunning, type Running, type Setup } from '../coordinator/running.ts'

/** A MoRAG server as bytes: what one connection sent to it, and what it says. */
interface RawServer {
  url: string
  /** The next connection, once it has come. */
  connection(): Promise<Socket>
}

async function rawServer(t: TestContext): Promise<RawServer> {
  const server = createTcpServer()
  const all: Socket[] = []
  const waiting: Socket[] = []
  server.on('connection', (socket) => {
    socket.on('error', () => undefined)
    all.push(socket)
    waiting.push(socket)
    server.emit('came')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  // Before the coordinator in front of it stops, which waits for requests without an answer.
  t.after(() => {
    server.close()
    for (const socket of all) socket.destroy()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async connection() {
      if (waiting.length === 0) await once(server, 'came')
      return waiting.shift()!
    },
  }
}

/** All that comes from a socket until the text matches. */
async function heard(socket: Socket, wanted: RegExp): Promise<string> {
  let all = ''
  try {
    while (!wanted.test(all)) {
      const signal = AbortSignal.timeout(30_000)
      const closed = once(socket, 'close', { signal }).then(() => Promise.reject(new Error('cut')))
      const [chunk] = (await Promise.race([once(socket, 'data', { signal }), closed])) as [Buffer]
      all += chunk.toString('latin1')
    }
    return all
  } catch (error) {
    throw new Error(`waited for ${String(wanted)}, and heard ${JSON.stringify(all)}`, {
      cause: error,
    })
  }
}

async function client(t: TestContext, { url }: Running): Promise<Socket> {
  const { port, hostname } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => undefined)
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

async function inFront(t: TestContext, moragUrl: string, more: Setup = {}): Promise<Running> {
  const { ingestion, ...rest } = more
  return await startRunning(t, {
    ingestion: { ...NO_INGESTION, moragUrl, ...ingestion },
    ...rest,
  })
}

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}'

describe('what is not ours', () => {
  test('reaches the server as it was written: method, path, query, headers and body', async (t) => {
    const morag = await rawServer(t)
    const running = await inFront(t, morag.url)
    const socket = await client(t, running)
    socket.write(
      [
        'PUT /api/v1/Docs/a%2Fb/%C3%BC?q=a+b&q=it\'s|"x" HTTP/1.1',
        'Host: front:8000',
        'X-Own: one',
        'X-Letters: J\u00fcrgen',
        'Content-Length: 5',
        'Connection: keep-alive, x-drop',
        'X-Drop: this',
        'TE: trailers',
        '',
        'hello',
      ].join('\r\n'),
      'latin1',
    )
    const server = await morag.connection()
    const came = await heard(server, /hello$/)
    server.write(OK)
    const head = came.split('\r\n')
    assert.equal(head[0], 'PUT /api/v1/Docs/a%2Fb/%C3%BC?q=a+b&q=it\'s|"x" HTTP/1.1')
    assert.match(came, new RegExp(`\r\nhost: ${new URL(morag.url).host}\r\n`, 'i'))
    assert.match(came, /\r\nx-own: one\r\n/i)
    assert.match(came, /\r\nx-letters: J\u00fcrgen\r\n/i)
    assert.match(came, /\r\ncontent-length: 5\r\n/i)
    assert.match(came, /\r\nx-forwarded-for: 127\.0\.0\.1\r\n/i)
    assert.match(came, /\r\nx-forwarded-host: front:8000\r\n/i)
    assert.match(came, /\r\nx-forwarded-proto: http\r\n/i)
    assert.doesNotMatch(came, /x-drop|\r\nte:|transfer-encoding/i)
    assert.match(await heard(socket, /\{\}$/), /^HTTP\/1\.1 200 /)
  })

  test('stays without a length where it came without one', async (t) => {
    const morag = await rawServer(t)
    const running = await inFront(t, morag.url)
    const socket = await client(t, running)
    socket.write(
      'POST /api/v1/notes HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
    )
    const server = await morag.connection()
    const came = await heard(server, /5\r\nhello/)
    assert.match(came, /\r\ntransfer-encoding: chunked\r\n/i)
    assert.doesNotMatch(came, /content-length/i)
    socket.write('0\r\n\r\n')
    assert.match(await heard(server, /0\r\n\r\n$/), /0\r\n\r\n$/)
    server.write(OK)
    await heard(socket, /\{\}$/)
  })

  test('gets 100 Continue when it waits for that', async (t) => {
    const morag = await rawServer(t)
    const running = await inFront(t, morag.url)
    const socket = await client(t, running)
    socket.write(
      'POST /api/v1/notes HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n',
    )
    await heard(socket, /100 Continue/)
    socket.write('hello')
    const server = await morag.connection()
    assert.doesNotMatch(await heard(server, /hello$/), /expect/i)
    server.write(OK)
    await heard(socket, /200 OK/)
  })

  test('gets the server’s status, headers and bytes as they are', async (t) => {
    const morag = await rawServer(t)
    const running = await inFront(t, morag.url)
    const socket = await client(t, running)
    socket.write('GET /api/v1/things HTTP/1.1\r\nHost: x\r\n\r\n')
    const server = await morag.connection()
    await heard(server, /\r\n\r\n$/)
    const gzip = Buffer.from([0x1f, 0x8b, 8, 0, 0xff])
    server.write(
      Buffer.concat([
        Buffer.from(
          [
            'HTTP/1.1 429 Slow Down',
            'Set-Cookie: a=1',
            'Set-Cookie: b=2',
            'Content-Encoding: gzip',
            'Retry-After: 7',
            'X-Letters: J\u00fcrgen',
            'Connection: close, x-drop',
            'X-Drop: this',
            'Content-Length: 5',
            '\r\n',
          ].join('\r\n'),
          'latin1',
        ),
        gzip,
      ]),
    )
    const got = await heard(socket, /\u00ff$/)
    assert.match(got, /^HTTP\/1\.1 429 /)
    assert.match(got, /set-cookie: a=1\r\nset-cookie: b=2\r\n/i)
    assert.match(got, /content-encoding: gzip\r\n/i)
    assert.match(got, /retry-after: 7\r\n/i)
    assert.match(got, /x-letters: J\u00fcrgen\r\n/i)
    assert.match(got, /content-length: 5\r\n/i)
    assert.doesNotMatch(got, /x-drop/i)
    assert.ok(got.endsWith(gzip.toString('latin1')))
  })

  test('may be asked for with any method, also HEAD', async (t) => {
    const methods: string[] = []
    const server = createServer((request, response) => {
      methods.push(request.method!)
      response.writeHead(200, { 'x-from': 'morag', 'content-length': 9 })
      response.end(request.method === 'HEAD' ? undefined : 'some text')
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => server.close().closeAllConnections())
    const running = await inFront(t, `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    for (const method of ['HEAD', 'OPTIONS', 'DELETE', 'GET']) {
      const { status, headers, text: said } = await running.ask(method, '/search')
      assert.equal(status, 200)
      assert.equal(headers.get('x-from'), 'morag')
      assert.equal(headers.get('content-length'), '9')
      assert.equal(headers.get('x-hono-already-sent'), null)
      assert.equal(said, method === 'HEAD' ? '' : 'some text')
    }
    assert.deepEqual(methods, ['HEAD', 'OPTIONS', 'DELETE', 'GET'])
  })

  test('streams both ways: events come while they happen', async (t) => {
    const morag = await rawServer(t)
    const running = await inFront(t, morag.url)
    const socket = await client(t, running)
    socket.write('GET /api/v1/stream HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n')
    const server = await morag.connection()
    await heard(server, /\r\n\r\n$/)
    server.write('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n')
    // Before there is any event the client knows that it is connected.
    await heard(socket, /text\/event-stream/)
    server.write('data: one\n\n')
    await heard(socket, /data: one/)
    server.write('data: two\n\n')
    await heard(socket, /data: two/)
    const closed = once(server, 'close')
    server.resume()
    socket.destroy()
    await closed
  })

  test('below a path of the server’s own goes below that', async (t) => {
    const morag = await rawServer(t)
    const running = await inFront(t, `${morag.url}/base`)
    const socket = await client(t, running)
    socket.write('GET http://x/api/v1/search?q=1 HTTP/1.1\r\nHost: x\r\n\r\n')
    const server = await morag.connection()
    assert.match(await heard(server, /\r\n\r\n$/), /^GET \/base\/api\/v1\/search\?q=1 HTTP/)
  })

  test('but lies outside the API is a 404, however it is written', async (t) => {
    const morag = await rawServer(t)
    const running = await inFront(t, morag.url)
    for (const path of [
      '/admin',
      '/api/v1/../../admin',
      '/api/v1/%2e%2e/%2E%2e/admin',
      '/api/v1/..%2f..%2Fadmin',
      '/api/v1/docs%2F..%5C..%5Cadmin?q=1',
      '/api/v1/..;/admin',
      '/api/v1/docs/%252e%252e/%25252e./admin',
      '/api/v10',
    ]) {
      const socket = await client(t, running)
      socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
      assert.match(await text(socket), /^HTTP\/1\.1 404 /, path)
    }
  })
})

describe('what names a route of ours', () => {
  for (const [status, path] of [
    ['400', '/api/v1/remote-jobs%2f'],
    ['400', '/api/v1//remote-jobs/'],
    ['400', '/api/v1/REMOTE-JOBS/poll?worker_id=w'],
    ['400', '//api/v1/remote-jobs'],
    ['400', '/API/v1/remote-jobs'],
    ['400', '/api/v1/remote%2djobs%252fx'],
    ['400', '/api/v1/docs/..%2fremote-jobs'],
    ['400', '/api/v1/docs%2f%252e%252e%2fworkers'],
    ['400', '/api/v1/remote-jobs;a=1/x'],
    ['400', '/api/v1/%2572emote-jobs'],
    ['400', '/api/v1/remote-jobs%20'],
    ['400', '/api/v1/Workers'],
    ['400', '/api/v1//process'],
    ['400', '/api/v1/Session'],
    ['400', '/api/v1/metrics%2f'],
    // The same by the standard: an own route answers.
    ['200', '/api/v1/%72emote-jobs'],
    ['200', '/api/v1/docs/../remote-jobs'],
    ['200', '/api/v1/docs/%2e%2e/remote-jobs/'],
    ['404', '/api/v1/remote-jobs/x'],
    ['404', '/api/v1/workers/a%2fb/c'],
  ] as const) {
    test(`is never the server’s, and here ${status}: ${path}`, async (t) => {
      const morag = await rawServer(t)
      const running = await inFront(t, morag.url)
      const socket = await client(t, running)
      socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
      assert.match(await text(socket), new RegExp(`^HTTP/1\\.1 ${status} `))
    })
  }

  test('is no other’s, whatever the method', async (t) => {
    const morag = await rawServer(t)
    const running = await inFront(t, morag.url)
    for (const [method, route, allow] of [
      ['DELETE', '/remote-jobs/', 'GET, HEAD, POST'],
      ['PUT', '/session', 'GET, HEAD, POST, DELETE'],
      ['POST', '/health', 'GET, HEAD'],
      ['PATCH', '/workers/w/drain', 'POST'],
      ['GET', '/workers/w', 'DELETE'],
    ] as const) {
      const { status, headers, body } = await running.ask(method, route)
      assert.equal(status, 405, route)
      assert.equal(headers.get('allow'), allow)
      assert.equal(body['code'], 'method_not_allowed')
    }
  })
})

describe('who a request is from', () => {
  const claimed = [
    'X-Forwarded-For: 9.9.9.9',
    'X-Forwarded-Host: evil.example',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Prefix: /evil',
    'Forwarded: for=9.9.9.9;host=evil.example',
    'X-Real-IP: 9.9.9.9',
    'X-Original-URL: /admin',
  ]
  async function told(t: TestContext, trustedProxies: string[]): Promise<string> {
    const morag = await rawServer(t)
    const running = await inFront(t, morag.url, { trustedProxies })
    const socket = await client(t, running)
    const head = ['GET /api/v1/search HTTP/1.1', 'Host: front:8000', ...claimed, '', '']
    socket.write(head.join('\r\n'))
    return await heard(await morag.connection(), /\r\n\r\n$/)
  }

  test('is set by us, not by its sender', async (t) => {
    const head = await told(t, [])
    assert.doesNotMatch(head, /evil|9\.9\.9\.9|original|https/i)
    assert.match(head, /\r\nx-forwarded-for: 127\.0\.0\.1\r\n/i)
    assert.match(head, /\r\nx-forwarded-host: front:8000\r\n/i)
    assert.match(head, /\r\nx-forwarded-proto: http\r\n/i)
  })

  test('is what a trusted proxy says', async (t) => {
    const head = await told(t, ['10.0.0.1', '127.0.0.0/8'])
    assert.match(head, /\r\nx-forwarded-for: 9\.9\.9\.9, 127\.0\.0\.1\r\n/i)
    assert.match(head, /\r\nx-forwarded-host: evil\.example\r\n/i)
    assert.match(head, /\r\nx-forwarded-proto: https\r\n/i)
  })
})

describe('the server’s refusal', () => {
  test('before it has read the body reaches the client', async (t) => {
    const morag = await rawServer(t)
    const running = await inFront(t, morag.url)
    const socket = await client(t, running)
    socket.write('PUT /api/v1/big HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nsome')
    const server = await morag.connection()
    await heard(server, /some$/)
    server.end('HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\nconnection: close\r\n\r\nbig')
    assert.match(await heard(socket, /big$/), /^HTTP\/1\.1 413 /)
  })
})

describe('a server that cannot answer', () => {
  test('is a 502 that names it and says that nothing was taken', async (t) => {
    const running = await inFront(t, 'http://127.0.0.1:1')
    const { status, body } = await running.ask('GET', '/search')
    assert.equal(status, 502)
    assert.equal(body['code'], 'bad_gateway')
    assert.match(
      String(body['detail']),
      /MoRAG server at http:\/\/127\.0\.0\.1:1 .*refused.*send it again/,
    )
  })

  for (const [what, sent] of [
    ['without a word', ''],
    ['within its head', 'HTTP/1.1 200 OK\r\ncontent-'],
    ['speaking something else', 'SSH-2.0-OpenSSH_9\r\n'],
  ] as const) {
    test(`that goes away ${what}, with the upload half sent, is a 502 too`, async (t) => {
      const morag = await rawServer(t)
      const running = await inFront(t, morag.url)
      const socket = await client(t, running)
      socket.write('PUT /api/v1/big HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nsome')
      const server = await morag.connection()
      await heard(server, /some$/)
      server.end(sent)
      const answer = await heard(socket, /bad_gateway/)
      assert.match(answer, /^HTTP\/1\.1 502 /)
      assert.match(answer, /nothing was taken/)
    })
  }

  test('that goes away while it reads nothing, of a large upload, is a 502 too', async (t) => {
    const morag = await rawServer(t)
    const running = await inFront(t, morag.url)
    const socket = await client(t, running)
    // The rest of a body is read for half a second: on a busy machine less is more certain.
    const size = 16 * 1024 * 1024
    socket.write(`PUT /api/v1/big HTTP/1.1\r\nHost: x\r\nContent-Length: ${size}\r\n\r\n`)
    const server = await morag.connection()
    // Far more than all buffers on the way hold: the client is made to wait.
    socket.write(Buffer.alloc(size))
    await once(server, 'readable')
    server.destroy()
    assert.match(await heard(socket, /bad_gateway/), /^HTTP\/1\.1 502 /)
    // Its connection is of use still: what was left of the body is read over.
    socket.write('GET /api/v1/health HTTP/1.1\r\nHost: x\r\n\r\n')
    await heard(socket, /HTTP\/1\.1 200 /)
  })

  test('once it has begun breaks the client’s connection too', async (t) => {
    const morag = await rawServer(t)
    const running = await inFront(t, morag.url)
    for (const head of ['content-length: 100', 'transfer-encoding: chunked']) {
      const socket = await client(t, running)
      socket.write('GET /api/v1/export HTTP/1.1\r\nHost: x\r\n\r\n')
      const server = await morag.connection()
      await heard(server, /\r\n\r\n$/)
      server.write(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n5\r\nhalf.\r\n`)
      await heard(socket, /half\./)
      const closed = once(socket, 'close')
      socket.resume()
      server.destroy()
      await closed
    }
    assert.equal((await running.ask('GET', '/health')).status, 200)
    assert.deepEqual(failures(running), [])
  })
})

describe('a client that goes away', () => {
  for (const [when, sent] of [
    ['while it waits', 'GET /api/v1/slow HTTP/1.1\r\nHost: x\r\n\r\n'],
    [
      'while it sends',
      'PUT /api/v1/big HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nsome',
    ],
  ] as const) {
    test(`${when} takes its request back from the server, and is no failure of ours`, async (t) => {
      const morag = await rawServer(t)
      const running = await inFront(t, morag.url)
      const socket = await client(t, running)
      socket.write(sent)
      const server = await morag.connection()
      await heard(server, /some$|\r\n\r\n$/)
      const closed = once(server, 'close')
      server.resume()
      socket.destroy()
      await closed
      assert.equal((await running.ask('GET', '/health')).status, 200)
      assert.deepEqual(failures(running), [])
    })
  }
})

describe('keys', () => {
  async function seen(t: TestContext, own: string | null, theirs: string | null, headers: object) {
    const came: IncomingMessage[] = []
    const server = createServer((request, response) => {
      came.push(request)
      response.end()
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => server.close().closeAllConnections())
    const moragUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const ingestion = { ...NO_INGESTION, moragUrl, moragApiKey: theirs }
    const running = await startRunning(t, { ingestion, apiKey: own })
    const request = httpRequest(`${running.url}/api/v1/search`, { headers: { ...headers } })
    request.end()
    const [answer] = (await once(request, 'response')) as [IncomingMessage]
    await buffer(answer)
    const { authorization, 'x-api-key': key } = came[0]?.headers ?? {}
    return { status: answer.statusCode, authorization, key, all: JSON.stringify(came[0]?.headers) }
  }

  for (const headers of [
    { authorization: 'Bearer ours' },
    { authorization: 'bearer   ours ' },
    { 'x-api-key': 'ours' },
    { 'x-api-key': ' ours ' },
    { authorization: 'Bearer ours', 'x-api-key': 'ours' },
    { authorization: 'Basic eA==', 'x-api-key': 'ours' },
  ]) {
    test(`ours, shown as ${JSON.stringify(headers)}, stays here`, async (t) => {
      const plain = await seen(t, 'ours', null, headers)
      assert.equal(plain.status, 200)
      assert.doesNotMatch(plain.all, /ours/)
      const replaced = await seen(t, 'ours', 'theirs', headers)
      assert.doesNotMatch(replaced.all, /ours/)
      assert.match(replaced.all, /theirs/)
    })
  }

  test('ours in the cookie of the page stays here, and other cookies pass', async (t) => {
    const token = `morag_${'t'.repeat(43)}`
    const headers = { 'x-api-key': 'ours', cookie: `a=1; morag_session=${token};b=2` }
    const { all } = await seen(t, 'ours', null, headers)
    assert.ok(!all.includes(token) && all.includes('"a=1; b=2"'), all)
    const alone = { 'x-api-key': 'ours', cookie: `morag_session=${token}` }
    assert.ok(!(await seen(t, 'ours', null, alone)).all.includes('cookie'))
  })

  test('of the server’s own pass beside ours', async (t) => {
    const both = { authorization: 'Bearer mine-for-morag', 'x-api-key': 'ours' }
    assert.equal((await seen(t, 'ours', null, both)).status, 401)
    const other = { authorization: 'Bearer ours', 'x-api-key': 'mine-for-morag' }
    const { authorization, key } = await seen(t, 'ours', null, other)
    assert.equal(authorization, undefined)
    assert.equal(key, 'mine-for-morag')
  })

  test('of the client’s pass when we have none', async (t) => {
    const { authorization } = await seen(t, null, null, { authorization: 'Bearer mine' })
    assert.equal(authorization, 'Bearer mine')
    assert.equal((await seen(t, null, null, {})).authorization, undefined)
    assert.equal((await seen(t, null, 'theirs', {})).authorization, 'Bearer theirs')
  })
})

/** Warnings and errors that the coordinator has logged. */
function failures({ logged }: Running): string[] {
  return logged.filter((line) => /"level":(40|50|60)/.test(line))
}
