import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { chmod, copyFile, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import path from 'node:path'
import { describe, it } from 'node:test'
import { execa } from 'execa'
import { findProgram } from '../../agent/process/find-program.ts'
import { keyFrames } from '../../agent/media/keyframes.ts'
import { extractSubtitles } from '../../agent/media/extract-subtitles.ts'
import { decode, probe } from '../../agent/media/media.ts'
import { runTool } from '../../agent/media/media-tool.ts'
import {
  findSandbox,
  lockedIn,
  sandboxArgs,
  type MediaTools,
  type SandboxKind,
} from '../../agent/media/sandbox.ts'
import { modelsDir } from '../../agent/paths.ts'
import { AppError } from '../../shared/errors.ts'
import { CLIPS, ffmpeg, makeMedia, testTools } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { programCode } from '../../scripts/processes.ts'

const folder = tempFolder()
const tools = await testTools()
const signal = new AbortController().signal
const sandboxFor = async (kind: SandboxKind, { ffmpeg, ffprobe }: MediaTools) => {
  const commands = [ffmpeg, ffprobe].map((file) => ({ file, args: ['-version'] }))
  return await findSandbox(kind, commands, signal)
}
// Before any test: while something is waited for between them, the folder would be removed.
const { sandbox } = await sandboxFor('auto', tools)
const skip = sandbox === null ? 'bubblewrap is not here, or may not do anything here' : false
const at = (name: string): string => path.join(folder, name)

/** Runs something with another PATH. */
async function withPath<T>(value: string, run: () => Promise<T>): Promise<T> {
  const before = process.env['PATH']
  process.env['PATH'] = value
  try {
    return await run()
  } finally {
    process.env['PATH'] = before
  }
}

/** The pairs that follow a flag. */
function pairsOf(args: readonly string[], flag: string): string[][] {
  return args.flatMap((arg, i) => (arg === flag ? [[args[i + 1]!, args[i + 2]!]] : []))
}

describe('the arguments of bubblewrap', () => {
  const args = sandboxArgs(['/opt/tools/ffmpeg'], {
    files: ['/jobs/1/source.mp4'],
    folder: '/jobs/1/out',
  })

  it('leave no network, no other processes and no rights', () => {
    assert.equal(args[0], '--unshare-all')
    assert.ok(!args.includes('--share-net'))
    assert.ok(args.includes('--die-with-parent'))
    assert.equal(args[args.indexOf('--cap-drop') + 1], 'ALL')
    assert.equal(args.at(-1), '--')
  })

  it('let the work folder alone be written to', () => {
    assert.deepEqual(pairsOf(args, '--bind'), [['/jobs/1/out', '/jobs/1/out']])
    assert.ok(!args.some((arg) => /^--(dev-bind|bind-try|overlay|bind-fd)/.test(arg)))
    assert.equal(args[args.indexOf('--chdir') + 1], '/jobs/1/out')
  })

  it('let the file be read, also where it lies in that folder', () => {
    assert.deepEqual(pairsOf(args, '--ro-bind'), [['/jobs/1/source.mp4', '/jobs/1/source.mp4']])
    assert.ok(args.indexOf('--ro-bind') > args.indexOf('--bind'))
  })

  it("show the system's programs and ffmpeg itself, and no user's files or settings", () => {
    const shown = pairsOf(args, '--ro-bind-try').map(([from, to]) => {
      assert.equal(from, to)
      return from!
    })
    assert.ok(shown.includes('/usr') && shown.includes('/opt/tools/ffmpeg'))
    for (const hidden of ['/', '/etc', '/home', '/root', '/var', '/run', '/proc', '/sys', '/tmp']) {
      assert.ok(!shown.includes(hidden), hidden)
    }
  })

  it('let nothing be written to where nothing is to be', () => {
    const reading = sandboxArgs([], { files: ['/jobs/1/source.mp4'], folder: null })
    assert.deepEqual(pairsOf(reading, '--bind'), [])
    assert.equal(reading[reading.indexOf('--chdir') + 1], '/')
  })

  it('keep a path that looks like a flag a path', () => {
    const odd = sandboxArgs([], { files: ['/jobs/--share-net'], folder: '/jobs/--bind' })
    assert.ok(!odd.includes('--share-net'))
  })

  it('show a linked program and the one behind it with their libraries, and not their folders', async () => {
    for (const name of ['real/bin', 'real/lib', 'links']) await mkdir(at(name), { recursive: true })
    await writeFile(at('real/bin/tool'), '#!/bin/sh\n')
    await chmod(at('real/bin/tool'), 0o755)
    await writeFile(at('real/bin/libparts.so.7'), '')
    await writeFile(at('real/bin/letter.txt'), '')
    await symlink(at('real/bin/tool'), at('links/tool'))
    const command = { file: at('links/tool'), args: ['-version'] }
    const openings = { files: [], folder: null }
    const { file, args: all } = await lockedIn(
      { program: '/usr/bin/bwrap', unshare: ['--unshare-all'] },
      command,
      openings,
    )
    assert.equal(file, '/usr/bin/bwrap')
    assert.deepEqual(all.slice(-3), ['--', at('links/tool'), '-version'])
    const shown = pairsOf(all, '--ro-bind-try').map(([from]) => from!)
    assert.deepEqual(shown.filter((one) => one.startsWith(folder)).toSorted(), [
      at('links/tool'),
      at('real/bin/libparts.so.7'),
      at('real/bin/tool'),
      at('real/lib'),
    ])
  })
})

describe('findSandbox', () => {
  it('looks for nothing where none is asked for', async () => {
    const lock = await sandboxFor('none', tools)
    assert.deepEqual(lock, { sandbox: null, unlocked: 'none is asked for (--sandbox)' })
  })

  it('does without where bubblewrap is missing or does not work, and says why', async () => {
    const missing = await withPath('/nowhere', () => sandboxFor('auto', tools))
    assert.equal(missing.sandbox, null)
    assert.match(missing.unlocked ?? '', /^bubblewrap is not here\. Install it/)
    const refused = await withPath(await refusing(), () => sandboxFor('auto', tools))
    assert.equal(refused.sandbox, null)
    assert.match(refused.unlocked ?? '', /Operation not permitted.*user namespaces/)
  })

  it('makes do with fewer namespaces where not all may be made', { skip }, async () => {
    await mkdir(at('fewer'))
    const real = findProgram('bwrap')!
    const script = `#!/bin/sh\ncase "$*" in *unshare-all*) echo 'bwrap: No permissions' >&2; exit 1; esac\nexec '${real}' "$@"\n`
    await writeFile(at('fewer/bwrap'), script)
    await chmod(at('fewer/bwrap'), 0o755)
    const PATH = `${at('fewer')}:${process.env['PATH']}`
    const lock = await withPath(PATH, () => sandboxFor('bwrap', tools))
    assert.deepEqual(lock, {
      sandbox: { program: at('fewer/bwrap'), unshare: ['--unshare-user', '--unshare-net'] },
    })
    const media = await withPath(PATH, () =>
      probe({ ...tools, ...lock }, CLIPS.jfk.file, { signal }),
    )
    assert.deepEqual(media, await probe(tools, CLIPS.jfk.file, { signal }))
  })

  it('takes a program that lies below /tmp', { skip }, async () => {
    await mkdir(at('below-tmp'))
    await copyFile(tools.ffmpeg, at('below-tmp/ffmpeg'))
    const moved = { ...tools, ffmpeg: at('below-tmp/ffmpeg') }
    assert.deepEqual(await sandboxFor('bwrap', moved), { sandbox })
  })

  it('says how to get bubblewrap where it is missing', async () => {
    await assert.rejects(
      withPath('/nowhere', () => sandboxFor('bwrap', tools)),
      (error: unknown) => {
        assert.ok(error instanceof AppError && error.code === 'usage')
        assert.match(error.message, /--sandbox bwrap .*MORAG_SANDBOX.*bubblewrap is not here/)
        assert.match(error.message, /apt-get install bubblewrap/)
        return true
      },
    )
  })

  it('says why bubblewrap does not work here', async () => {
    const folderOfIt = await refusing()
    await assert.rejects(
      withPath(folderOfIt, () => sandboxFor('bwrap', tools)),
      (error: unknown) => {
        assert.ok(error instanceof AppError && error.code === 'usage')
        assert.match(error.message, /Operation not permitted.*user namespaces.*or leave it out\.$/)
        return true
      },
    )
  })
})

/** Prints the first line of files that can be read; the shell alone does it, as the PATH of tests is not shown in a sandbox. */
const SHOW = `show() { for file; do { read -r line || :; echo "$line"; } < "$file"; done; };`

/** A folder with a bubblewrap that fails as it does where a container allows no user namespaces. */
async function refusing(): Promise<string> {
  const script =
    '#!/bin/sh\necho "bwrap: Creating new namespace failed: Operation not permitted" >&2\nexit 1\n'
  await mkdir(at('refusing'), { recursive: true })
  await writeFile(at('refusing/bwrap'), script)
  await chmod(at('refusing/bwrap'), 0o755)
  return at('refusing')
}

/** The program as a user runs it, with this PATH. */
function transcribe(PATH: string, ...args: string[]) {
  const command = [...programCode('agent'), 'transcribe', ...args]
  return execa(process.execPath, command, {
    env: { PATH, HOME: folder, MORAG_SANDBOX: 'bwrap', MORAG_MODELS_DIR: modelsDir() },
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
  })
}

describe('transcribe', () => {
  it('ends with exit code 2 where the sandbox that is asked for is missing', async () => {
    const { stdout, stderr, exitCode } = await transcribe('/nowhere', CLIPS.jfk.file)
    assert.deepEqual([stdout, exitCode], ['', 2])
    assert.match(stderr, /--sandbox bwrap .* cannot be used: bubblewrap is not here/)
  })
})

describe('locked in', { skip }, () => {
  const locked: MediaTools = { ...tools, sandbox }

  it('a film is probed, decoded, and gives its subtitles and pictures', async () => {
    const clip = await makeMedia(folder, 'jfk', 'mp4')
    await writeFile(at('a.srt'), '1\n00:00:01,000 --> 00:00:02,000\nHallo\n')
    const film =
      await ffmpeg`-i ${clip} -i ${at('a.srt')} -c:v copy -c:a copy -c:s srt ${at('film.mkv')}`
    const media = await probe(locked, film, { signal })
    assert.deepEqual(media, await probe(tools, film, { signal }))
    await mkdir(at('work'))
    const quiet = { signal, media, onProgress: () => undefined }
    await decode(locked, film, 0, at('work/locked.wav'), quiet)
    await decode(tools, film, 0, at('work/free.wav'), quiet)
    const [one, other] = await Promise.all(
      ['work/locked.wav', 'work/free.wav'].map((name) => readFile(at(name))),
    )
    assert.ok(one!.equals(other!))
    const cues = await extractSubtitles(locked, film, 0, { signal })
    assert.deepEqual(
      cues.map(({ text }) => text),
      ['Hallo'],
    )
    await mkdir(at('frames'))
    const options = { dir: at('frames'), signal, durationSeconds: media.durationSeconds, max: 2 }
    const frames = await keyFrames(locked, film, options)
    assert.ok(frames.length > 0)
    assert.deepEqual(
      (await readdir(at('frames'))).toSorted(),
      frames.map(({ name }) => name),
    )
  })

  it('a file in the folder that is written to is read, and stays as it is', async () => {
    await mkdir(at('both'))
    await copyFile(CLIPS.austen.file, at('both/source.wav'))
    await decode(locked, at('both/source.wav'), 0, at('both/audio.wav'), {
      signal,
      onProgress: () => undefined,
    })
    assert.deepEqual((await readdir(at('both'))).toSorted(), ['audio.wav', 'source.wav'])
  })

  it('a broken file is refused in the same words', async () => {
    await writeFile(at('noise.mp3'), Buffer.alloc(5000, 'noise'))
    const messages = await Promise.all(
      [tools, locked].map((some) =>
        probe(some, at('noise.mp3'), { signal }).then(
          () => assert.fail('it was read'),
          (error: unknown) => (error instanceof AppError ? `${error.code} ${error.message}` : ''),
        ),
      ),
    )
    assert.match(messages[0]!, /^invalid_media /)
    assert.equal(messages[0], messages[1])
  })

  it('a file that is not there is missing, and not ffmpeg', async () => {
    await assert.rejects(
      probe(locked, at('nothing.mp3'), { signal }),
      (error: unknown) => error instanceof AppError && error.code === 'source_missing',
    )
  })

  it('nothing is seen but what was opened, and nothing else can be written', async () => {
    await mkdir(at('open'))
    await writeFile(at('secret.txt'), 'secret')
    const shell = findProgram('sh')!
    const script = `${SHOW} show '${at('secret.txt')}' /etc/passwd "$HOME/.profile"
      echo x > '${at('elsewhere.txt')}'; echo x > /usr/x; echo x > '${CLIPS.jfk.file}'
      echo x > '${at('open')}/here.txt'; show /proc/version /sys/kernel/vmcoreinfo`
    const { stdoutTail } = await runTool(
      { ...locked, ffmpeg: shell },
      {
        tool: 'ffmpeg',
        args: ['-c', script],
        file: CLIPS.jfk.file,
        folder: at('open'),
        limits: { cpuSeconds: 60, fileBytes: 1024 },
        signal,
      },
    )
    assert.equal(stdoutTail, '')
    assert.ok(!existsSync(at('elsewhere.txt')))
    assert.equal(await readFile(at('open/here.txt'), 'utf8'), 'x\n')
    assert.equal((await readFile(CLIPS.jfk.file)).toString('latin1', 0, 4), 'RIFF')
  })

  it('what lies beside the program is not seen, nor may the program be changed', async () => {
    await mkdir(at('home'))
    await mkdir(at('linked'))
    await copyFile(findProgram('sh')!, at('home/ffmpeg'))
    await symlink('../home/ffmpeg', at('linked/ffmpeg'))
    for (const name of ['home', 'linked']) await writeFile(at(`${name}/letter.txt`), 'secret')
    for (const [program, opened] of [
      [at('home/ffmpeg'), null],
      [at('linked/ffmpeg'), null],
      [at('home/ffmpeg'), at('home')],
    ] as const) {
      const beside =
        opened === null ? `'${at('home/letter.txt')}' '${at('linked/letter.txt')}'` : ''
      const script = `${SHOW} echo works; show ${beside}; echo x > '${program}'`
      const { stdoutTail } = await runTool(
        { ...locked, ffmpeg: program },
        {
          tool: 'ffmpeg',
          args: ['-c', script],
          file: CLIPS.jfk.file,
          folder: opened,
          limits: { cpuSeconds: 60, fileBytes: 1024 },
          signal,
        },
      )
      assert.equal(stdoutTail, 'works\n')
      assert.deepEqual(await readFile(at('home/ffmpeg')), await readFile(findProgram('sh')!))
    }
  })

  it('no network is there', async () => {
    let visits = 0
    const server = createServer((socket) => {
      visits += 1
      socket.destroy()
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : undefined
    const visit = (some: MediaTools) =>
      runTool(some, {
        tool: 'ffprobe',
        args: ['-v', 'error', `tcp://127.0.0.1:${port}`],
        file: CLIPS.jfk.file,
        folder: null,
        limits: { cpuSeconds: 60, fileBytes: 0 },
        signal,
      })
    try {
      await visit(locked)
      assert.equal(visits, 0)
      await visit(tools)
      assert.equal(visits, 1)
    } finally {
      server.close()
    }
  })

  it('transcribe gives the text of a film', async () => {
    const film = at('film.mkv')
    const { stdout, stderr } = await transcribe(process.env['PATH']!, film, '--prefer-subtitles')
    assert.match(stdout, /\] Hallo$/m, stderr)
  })

  it('a limit that is reached is reported as without', async () => {
    const { limit, signal: ended } = await runTool(
      { ...locked, ffmpeg: findProgram('sh')! },
      {
        tool: 'ffmpeg',
        args: ['-c', `printf %5000s x > '${at('open')}/big'`],
        file: CLIPS.jfk.file,
        folder: at('open'),
        limits: { cpuSeconds: 60, fileBytes: 1000 },
        signal,
      },
    )
    assert.deepEqual([limit, ended], ['size', 'SIGXFSZ'])
  })
})
