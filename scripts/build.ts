import { chmod, cp, rm } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { buildClientCode, buildClientTypes } from './build-client.ts'

/**
 * Compiles what is published to `dist/`: JavaScript that runs without tsx, the agent's clips, pages for browsers, the client
 * for other programs.
 */
const inRoot = (name: string): string => fileURLToPath(new URL(`../${name}`, import.meta.url))

await rm(inRoot('dist'), { recursive: true, force: true })
const { failed } = await execa('tsc', ['-p', inRoot('scripts/tsconfig.build.json')], {
  preferLocal: true,
  localDir: inRoot('.'),
  stdio: 'inherit',
  reject: false,
})
if (failed) process.exit(1)
await cp(inRoot('agent/assets'), inRoot('dist/agent/assets'), { recursive: true })
const migrations = 'coordinator/storage/postgres/migrations'
await cp(inRoot(migrations), inRoot(`dist/${migrations}`), { recursive: true })
for (const pages of ['coordinator/dashboard', 'shared/page'])
  await cp(inRoot(pages), inRoot(`dist/${pages}`), {
    recursive: true,
    // What only the type check needs.
    filter: (file) => !/\.(json|ts)$/.test(file),
  })
// What morag-agent service print-unit prints.
const unit = 'scripts/deploy/morag-agent.service'
await cp(inRoot(unit), inRoot(`dist/${unit}`))
for (const program of ['agent', 'coordinator']) await chmod(inRoot(`dist/${program}/cli.js`), 0o755)
await buildClientCode(inRoot('dist/client'))
await buildClientTypes(inRoot('dist/client'))
