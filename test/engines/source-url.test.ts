import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { appendFile, copyFile, mkdir, readdir, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { userInfo } from 'node:os'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { freePort } from '../../agent/engines/whisper-cpp/free-port.ts'
import { findProgram } from '../../agent/process/find-program.ts'
import { wordErrors } from '../../agent/wer.ts'
import { run, startCoordinator, type RunningCoordinator } from '../../scripts/processes.ts'
import { CLIPS } from '../agent/fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { startAgent, TestClient } from '../conversion-set-up.ts'

const nginx = findProgram('nginx')

describe('sources on the real nginx', { skip: nginx === null && 'apt-get install nginx' }, () => {
  const folder = tempFolder()
  const root = path.join(folder, 'www')
  let web = ''
  let coordinator: RunningCoordinator
  const stops: (() => unknown)[] = []
  after(() => stops.forEach((stop) => stop()))

  before(async () => {
    const port = await freePort()
    web = `http://127.0.0.1:${port}`
    await mkdir(root)
    const temps = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((name) => `${name}_temp_path ${folder}/${name};`)
      .join(' ')
    const server = `listen 127.0.0.1:${port}; root ${root}; location /slow/ { alias ${root}/; limit_rate 200k; }`
    const config = `daemon off; user ${userInfo().username}; error_log ${folder}/errors; pid ${folder}/pid; events {}
http { access_log off; ${temps} types { audio/x-wav wav; } server { ${server} } }`
    const file = path.join(folder, 'nginx.conf')
    await writeFile(file, config)
    const child = spawn(nginx!, ['-p', folder, '-c', file], { stdio: 'inherit' })
    stops.push(() => child.kill())
    while (!(await listens(port)));
    const args = ['--source-allow', '127.0.0.1']
    coordinator = await startCoordinator(path.join(folder, 'data'), folder, { args })
    stops.push(() => coordinator.signal('SIGTERM'))
  })

  it('become transcripts, and are stored nowhere', async () => {
    await copyFile(CLIPS.jfk.file, path.join(root, 'jfk.wav'))
    const agent = startAgent(coordinator.url, folder, 'gpu-1')
    const address = `${web}/slow/jfk.wav?token=hush`
    const { lines, ended } = run('agent', [
      'submit',
      address,
      '--url',
      coordinator.url,
      '--wait',
      '--format',
      'txt',
    ])
    assert.deepEqual((await ended).exitCode, 0, lines.join('\n'))
    assert.ok(wordErrors(CLIPS.jfk.text, lines.at(-1)!).errors === 0, lines.join('\n'))
    assert.doesNotMatch([...lines, ...agent.lines, ...coordinator.lines].join('\n'), /hush/)
    assert.deepEqual(await readdir(path.join(folder, 'data', 'sources')), ['.incoming'])
    agent.signal('SIGTERM')
    await agent.ended
  })

  it('play from any place, and are refused once they have changed', async () => {
    const file = path.join(root, 'changing.wav')
    await copyFile(CLIPS.jfk.file, file)
    const json = JSON.stringify({ source_url: `${web}/changing.wav` })
    const headers = { 'content-type': 'application/json' }
    const jobs = `${coordinator.url}/api/v1/remote-jobs`
    const created = await fetch(`${jobs}/`, { method: 'POST', headers, body: json })
    const { job_id } = (await created.json()) as { job_id: string }
    const play = async (): Promise<Response> =>
      await fetch(`${jobs}/${job_id}/source`, { headers: { range: 'bytes=1000-1999' } })
    const played = await play()
    assert.deepEqual([played.status, played.headers.get('content-type')], [206, 'audio/wav'])
    assert.equal((await played.arrayBuffer()).byteLength, 1000)
    await appendFile(file, 'more')
    assert.equal((await play()).status, 409)
    const agent = startAgent(coordinator.url, folder, 'gpu-2')
    const { error_code: code, error_message: message } = await new TestClient(
      coordinator.url,
    ).ended(job_id)
    assert.equal(code, 'source_changed')
    assert.match(message!, /The file at 127\.0\.0\.1:\d+ has changed since/)
    agent.signal('SIGTERM')
    await agent.ended
  })
})

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  return await new Promise((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.end())
  })
}
