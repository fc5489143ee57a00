import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { runChild } from '../agent/process/run-child.ts'
import { openTools } from '../agent/media/open-tools.ts'
import { modelsDir } from '../agent/paths.ts'
import { run, startCoordinator, type Running } from './processes.ts'

/**
 * `npm run demo`: everything at once, with nothing but Node. A coordinator and an agent on a free port; the shipped clip
 * as audio and inside a video; two transcripts. Its folder is removed at the end, unless it failed or `--keep` says so.
 */
const ROOT = fileURLToPath(new URL('..', import.meta.url))
const CLIP = path.join(ROOT, 'agent/assets/jfk.wav')

/** A command of the agent on this terminal, as its user would type it. */
async function agent(...args: string[]): Promise<void> {
  console.log(`\n$ morag-agent ${args.join(' ').replaceAll(ROOT, '')}`)
  const { exitCode } = await execa(process.execPath, ['--import', 'tsx', 'agent/cli.ts', ...args], {
    cwd: ROOT,
    stdio: 'inherit',
    reject: false,
  })
  if (exitCode !== 0) throw new Error(`that ended with exit code ${exitCode}`)
}

async function stop(running: Running | undefined): Promise<void> {
  running?.signal('SIGTERM')
  await running?.ended
}

async function main(): Promise<void> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'morag-demo-'))
  try {
    await convert(folder)
  } catch (error) {
    console.error(`\n${folder} is kept, with what was done until then.`)
    throw error
  }
  if (process.argv.includes('--keep')) {
    // After a clean stop the folders are all there is.
    console.log(`The jobs with their transcripts are in ${path.join(folder, 'data', 'completed')}`)
    return
  }
  await rm(folder, { recursive: true })
  console.log(`${folder} is removed; with --keep it stays.`)
}

async function convert(folder: string): Promise<void> {
  const dataDir = path.join(folder, 'data')
  const started: Running[] = []
  try {
    await agent('models', 'pull')

    const coordinator = await startCoordinator(dataDir, folder)
    started.unshift(coordinator)
    console.log(`\nA coordinator listens on ${coordinator.url}.`)
    const { url } = coordinator
    const work = ['--work-dir', path.join(folder, 'work'), '--worker-id', 'demo-agent']
    started.unshift(run('agent', ['start', '--url', url, '--types', 'audio,video', ...work]))
    console.log('An agent waits for audio and video.')

    await agent('submit', CLIP, '--url', url, '--wait')
    const video = path.join(folder, 'jfk.mp4')
    await makeVideo(video)
    await agent('submit', video, '--url', url, '--wait')
  } finally {
    for (const running of started) await stop(running)
  }
  console.log('\nEverything is stopped.')
}

/** The clip with a picture. */
async function makeVideo(file: string): Promise<void> {
  const { signal } = new AbortController()
  const wanted = { ffmpeg: null, sandbox: 'none' } as const
  const { ffmpeg } = await openTools(wanted, { dir: modelsDir(), signal })
  const picture = ['-f', 'lavfi', '-i', 'testsrc=size=320x240:rate=10']
  const codecs = ['-c:v', 'mpeg4', '-c:a', 'aac', '-shortest', file]
  const args = ['-v', 'error', '-y', ...picture, '-i', CLIP, ...codecs]
  const { exitCode, stderrTail } = await runChild(ffmpeg, args, { signal })
  if (exitCode !== 0) throw new Error(`ffmpeg could not make the video: ${stderrTail}`)
}

await main()
