import { readFile } from 'node:fs/promises'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'

/** What tests start as processes, hundreds of times. */
const PROGRAMS = [
  'agent/cli.js',
  'agent/engines/sherpa/child.js',
  'coordinator/blobs/thread-script.js',
  'coordinator/cli.js',
  'test/coordinator/crash-writer.js',
  'test/ingestion/morag-server.js',
]
/** Bundled code of CommonJS packages asks for Node's own modules with it. */
const REQUIRE = `import { createRequire as createRequireOf } from 'node:module'; const require = createRequireOf(import.meta.url)`

/**
 * Puts each compiled program, with the packages that it uses, into a few files in its place: a program of hundreds of
 * files takes two thirds of a second of CPU time to start. Its modules know their folder as before.
 * @param folder of the compiled code.
 */
export async function bundlePrograms(folder: string): Promise<void> {
  await build({
    absWorkingDir: folder,
    entryPoints: PROGRAMS,
    outdir: '.',
    allowOverwrite: true,
    chunkNames: 'bundled/[name]-[hash]',
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    preserveSymlinks: true,
    banner: { js: REQUIRE },
    logLevel: 'error',
    plugins: [
      {
        name: 'place',
        setup(building) {
          building.onLoad({ filter: /\.js$/ }, async ({ path: file }) => {
            if (file.includes('node_modules')) return null
            const text = await readFile(file, 'utf8')
            const url = JSON.stringify(pathToFileURL(file).href)
            return { contents: text.replaceAll('import.meta.url', url) }
          })
        },
      },
    ],
  })
}
