import assert from 'node:assert/strict'
import { execa } from 'execa'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { get, postAudio } from '../../agent/engines/openai-api/audio-post.ts'
import { request as askResident } from '../../agent/engines/whisper-cpp/resident-request.ts'
import { Resident, type ResidentPlan } from '../../agent/engines/whisper-cpp/resident.ts'
import { Residents } from '../../agent/engines/residents.ts'
import { AppError, type ErrorCode } from '../../shared/errors.ts'
import { CLIPS, gone } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { LOADER, moduleUrl } from '../../scripts/node-script.ts'

const folder = tempFolder()
const { signal } = new AbortController()
const code = (expected: ErrorCode) => (error: unknown) =>
  error instanceof AppError && error.code === expected

/** A server that answers everything with 200, after what `before` does. */
const serve = (before = ''): string =>
  `${before}; require('node:http').createServer((_, answer) => answer.end('ok')).listen(+process.argv[1], '127.0.0.1')`

const planOf = (script: string, more: Partial<ResidentPlan> = {}): ResidentPlan => ({
  name: 'a server',
  file: process.execPath,
  args: (port) => ['-e', script, String(port)],
  env: {},
  isReady: async (port, until) =>
    (await get(`http://127.0.0.1:${port}/`, { signal: until }))?.status === 200,
  classify: () => null,
  ...more,
})

const starting =
  (plan: ResidentPlan) =>
  (until: AbortSignal): Promise<Resident> =>
    Resident.start(plan, until)

describe('a resident server', () => {
  it('is ready when it answers, and gone when it is killed', async () => {
    const resident = await Resident.start(planOf(serve()), signal)
    assert.ok(resident.isAlive)
    await resident.kill()
    assert.ok(!resident.isAlive)
    assert.equal(await get(`http://127.0.0.1:${resident.port}/`, { signal }), null)
    await resident.kill()
  })

  it('says why it did not start', async () => {
    const plan = planOf('console.error("no model here"); process.exit(3)')
    await assert.rejects(
      Resident.start(plan, signal),
      (error) =>
        code('engine_failed')(error) &&
        /a server ended \(code 3\): no model here/.test(String(error)),
    )
    const missing = planOf('', { file: path.join(folder, 'nowhere') })
    await assert.rejects(Resident.start(missing, signal), /cannot be started: .*ENOENT/)
  })

  it('is ended when it cannot be found out whether it is ready', async () => {
    const isReady = (): Promise<boolean> => Promise.reject(new ReferenceError('nothing is defined'))
    const broken = planOf(serve(), { isReady })
    await assert.rejects(Resident.start(broken, signal), ReferenceError)
    const residents = new Residents<Resident>()
    await assert.rejects(residents.at(0, 'a', starting(broken), signal), ReferenceError)
    const resident = await residents.at(0, 'a', starting(planOf(serve())), signal)
    assert.ok(resident.isAlive)
    await residents.close()
  })

  it('is not waited for by a request that gives up while another starts it', async () => {
    const residents = new Residents<Resident>()
    const stop = new AbortController()
    const slow = planOf('setInterval(() => {}, 1000)')
    const given = residents.at(0, 'a', starting(slow), signal)
    const waited = residents.at(0, 'a', starting(slow), stop.signal)
    stop.abort(new Error('enough'))
    await assert.rejects(waited, /enough/)
    const ended = assert.rejects(given, code('cancelled'))
    await residents.close()
    await ended
  })

  it('is ended when it breaks off an answer, and the error says why', async () => {
    const script = `require('node:http').createServer((asked, answer) =>
      asked.method === 'POST' ? answer.destroy() : answer.end()).listen(+process.argv[1], '127.0.0.1')`
    const resident = await Resident.start(planOf(script), signal)
    const asked = askResident(
      resident,
      { signal, durationSeconds: 1 },
      () => undefined,
      async (until) =>
        await postAudio(`http://127.0.0.1:${resident.port}/`, CLIPS.jfk.file, [], {
          signal: until,
        }),
    )
    await assert.rejects(
      asked,
      (error) =>
        code('engine_failed')(error) && /a server closed the connection/.test(String(error)),
    )
    assert.ok(!resident.isAlive)
  })

  it('is given up when it is not ready in time', async (t) => {
    const patience = new AbortController()
    t.mock.method(AbortSignal, 'timeout', () => patience.signal)
    let answers = 0
    const plan = planOf(serve('console.error("loading")'), {
      startMs: 1_500,
      // Its time is over once it has said so and has answered, however long that takes.
      async isReady(port) {
        if ((await get(`http://127.0.0.1:${port}/`, { signal }))?.status !== 200) return false
        answers += 1
        if (answers === 3) patience.abort()
        return false
      },
    })
    await assert.rejects(
      Resident.start(plan, signal),
      (error) =>
        code('engine_failed')(error) && /not ready after 2 seconds: loading/.test(String(error)),
    )
  })

  it('tries another port when somebody took the first', async () => {
    const ports: number[] = []
    const taken = planOf(
      `if (process.argv[2] === '1') { console.error("couldn't bind to server socket"); process.exit(1) }; ${serve()}`,
    )
    const resident = await Resident.start(
      {
        ...taken,
        args: (port) => {
          ports.push(port)
          return [...taken.args(port), String(ports.length)]
        },
      },
      signal,
    )
    assert.equal(ports.length, 2)
    assert.equal(resident.port, ports[1])
    await resident.kill()
  })

  it('starts anew when it has died, and in place of another', async () => {
    const residents = new Residents<Resident>()
    const first = await residents.at(0, 'a', starting(planOf(serve())), signal)
    assert.equal(await residents.at(0, 'a', starting(planOf(serve())), signal), first)
    process.kill(first.pid ?? 0, 'SIGKILL')
    await first.ended
    const second = await residents.at(0, 'a', starting(planOf(serve())), signal)
    assert.notEqual(second, first)
    const third = await residents.at(0, 'b', starting(planOf(serve())), signal)
    assert.ok(!second.isAlive && third.isAlive)
    await residents.close()
    assert.ok(!third.isAlive)
  })

  it('is started once for two who want it at a time, also when one of them gives up', async () => {
    const residents = new Residents<Resident>()
    const stop = new AbortController()
    const given = residents.at(0, 'a', starting(planOf(serve())), stop.signal)
    const waited = residents.at(0, 'a', starting(planOf(serve())), signal)
    stop.abort(new Error('cancelled'))
    await assert.rejects(given, /cancelled/)
    const resident = await waited
    assert.equal(await residents.at(0, 'a', starting(planOf(serve())), signal), resident)
    await residents.close()
  })

  it('does not outlive an agent that is killed', async () => {
    const pidFile = path.join(folder, 'pid')
    const engine = (name: string): string =>
      JSON.stringify(moduleUrl(new URL(`../../agent/engines/${name}.ts`, import.meta.url)))
    const script = serve(
      `require('node:fs').writeFileSync(${JSON.stringify(pidFile)}, '' + process.pid)`,
    )
    const agent = execa(
      process.execPath,
      [
        ...LOADER,
        '--input-type=module',
        '-e',
        `import { Resident } from ${engine('whisper-cpp/resident')}
        import { get } from ${engine('openai-api/audio-post')}
        await Resident.start({
          name: 'a server', file: process.execPath, env: {}, classify: () => null,
          args: (port) => ['-e', ${JSON.stringify(script)}, String(port)],
          isReady: async (port, signal) => (await get('http://127.0.0.1:' + port, { signal }))?.status === 200,
        }, new AbortController().signal)
        console.log('ready')
        setInterval(() => undefined, 1000)`,
      ],
      { reject: false, buffer: false },
    )
    await new Promise((resolve) => agent.stdout.once('data', resolve))
    agent.kill('SIGKILL')
    await agent
    await gone(Number(await readFile(pidFile, 'utf8')))
  })
})
