import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { execa } from 'execa'
import { clientTypes } from './client-types.ts'

const inRoot = (name: string): string => fileURLToPath(new URL(`../${name}`, import.meta.url))

/** The package's `client.js`: one file, which imports nothing. */
export async function buildClientCode(folder: string): Promise<void> {
  await build({
    absWorkingDir: inRoot('.'),
    entryPoints: ['shared/client/client.ts'],
    bundle: true,
    // An import of Node's own modules is an error.
    platform: 'neutral',
    format: 'esm',
    target: 'es2022',
    outfile: path.join(folder, 'client.js'),
  })
}

/** Its declarations, `client.d.ts`: one file, which imports nothing, least of all zod. */
export async function buildClientTypes(folder: string): Promise<void> {
  const emitted = await mkdtemp(path.join(os.tmpdir(), 'morag-client-'))
  try {
    await execa('tsc', ['-p', inRoot('scripts/tsconfig.client.json'), '--outDir', emitted], {
      preferLocal: true,
      localDir: inRoot('.'),
    })
    const texts = ['error', 'options', 'client'].map(async (name) => {
      const text = await readFile(path.join(emitted, 'shared/client', `${name}.d.ts`), 'utf8')
      return text.replace(/^(import|export)( type)? \{[^}]*\} from .*;\n/gm, '')
    })
    const all = [clientTypes(), ...(await Promise.all(texts))]
    await writeFile(path.join(folder, 'client.d.ts'), all.join('\n'))
  } finally {
    await rm(emitted, { recursive: true, force: true })
  }
}
