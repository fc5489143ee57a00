import { cp, mkdir, readdir, rm, symlink } from 'node:fs/promises'
import path from 'node:path'
import { execa } from 'execa'
import { bundlePrograms } from './bundle.ts'

const SOURCES = ['agent', 'coordinator', 'shared', 'scripts', 'test']
/** What tests read of the checkout beside the sources. */
const READ = ['package.json', 'tsconfig.json', 'README.md', '.github', '.ci']

/** Where the tests' code is, and what its files end with: the checkout's `.ts`, or `.js` when it was compiled. */
export interface Code {
  folder: string
  extension: '.ts' | '.js'
}

/** The file of a test that is named as in the checkout: `test/shared/wire.test.ts`. */
export function fileOf(code: Code, name: string): string {
  return path.resolve(code.folder, name.replace(/\.ts$/, code.extension))
}

/** The name of a test file, whether it is compiled or the source that it was compiled from. */
export function nameOf(code: Code, root: string, file: string): string {
  const folder = file.startsWith(code.folder) ? code.folder : root
  return path.relative(folder, file).replace(/\.js$/, '.ts')
}

/**
 * Compiles programs, scripts and tests to `build/` and copies what they read beside them: each process then starts
 * without tsx, which costs it a third of a second of CPU time and more, and programs from few files. Types are left to `npm run typecheck`.
 * @throws on a syntax error; tsc has printed where.
 */
export async function compileTests(root: string): Promise<Code> {
  const folder = path.join(root, 'build')
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder)
  for (const name of [...SOURCES, ...READ])
    await cp(path.join(root, name), path.join(folder, name), { recursive: true })
  await symlink(path.join(root, 'node_modules'), path.join(folder, 'node_modules'), 'junction')
  await execa('tsc', ['-p', path.join(root, 'scripts/tests/tsconfig.json'), '--noCheck'], {
    preferLocal: true,
    localDir: root,
    stdio: 'inherit',
  })
  // Coverage is of the sources, file by file.
  if (process.env['NODE_V8_COVERAGE'] === undefined) await bundlePrograms(folder)
  return { folder, extension: '.js' }
}

/** Every test file, named as in the checkout, but those of the engines, which want engines installed. */
export async function testFiles(root: string): Promise<string[]> {
  const names = await readdir(path.join(root, 'test'), { recursive: true })
  return names
    .map((name) => path.posix.join('test', ...name.split(path.sep)))
    .filter((name) => name.endsWith('.test.ts') && !name.startsWith('test/engines/'))
    .toSorted()
}
