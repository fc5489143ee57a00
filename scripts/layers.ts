import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Part of `npm run lint`: each program's folders and single files, top to bottom. A module imports only from its own layer
 * and those below it; types may come from anywhere. Prints every import that goes up, and ends with 1.
 */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  agent: `
    cli commands agent selftest files equipment toolchain settings announcement work status converters output transcript transcription engines
    sherpa-child diarization media quality audio models client gpu limits preemption signals process job-options progress
    free-space paths wer`.match(/\S+/g)!,
  coordinator: `
    cli commands admin server assemble open-storage file-storage database-storage config settings connection-settings setting-values chores app routes
    sockets events metrics openapi intake views ingestion leases usage access cleanup job-watch jobs blobs speech storage job clock
    logger keyed-mutex groups fleet-limits`.match(/\S+/g)!,
}

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const IMPORT = /^(?:import|export)\s+(?!type\s)([^'"]*?)from '(\.[^']+)'/gms

const faults = Object.entries(LAYERS).flatMap(([program, layers]) =>
  filesOf(program).flatMap((file) => {
    const own = layers.indexOf(layerOf(file))
    if (own === -1)
      return [`${file} stands in no layer: enter '${layerOf(file)}' in scripts/layers.ts`]
    return importsOf(file)
      .filter((to) => to.startsWith(`${program}/`) && layers.indexOf(layerOf(to)) < own)
      .map((to) => `${file} imports ${to}, which stands above it`)
  }),
)
for (const fault of faults) console.error(fault)
if (faults.length > 0) process.exitCode = 1

function filesOf(program: string): string[] {
  const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard', `${program}/*.ts`], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  return listed
    .split('\n')
    .filter((file) => existsSync(path.join(ROOT, file)) && file.endsWith('.ts'))
    .filter((file) => !file.includes('/dashboard/'))
}

/** The folder below the program's own, or the file's name. */
function layerOf(file: string): string {
  return path.basename(file.split('/')[1]!, '.ts')
}

/** What a module imports as values, from the root of the project. */
function importsOf(file: string): string[] {
  const imports = [...readFileSync(path.join(ROOT, file), 'utf8').matchAll(IMPORT)]
  return imports
    .filter(([, names]) => !isTypesOnly(names!))
    .map(([, , to]) => path.join(path.dirname(file), to!))
}

function isTypesOnly(names: string): boolean {
  const listed = /\{(.*)\}/s.exec(names)?.[1]?.split(',') ?? ['']
  return (
    listed.every((name) => name.trim() === '' || name.trim().startsWith('type ')) &&
    names.includes('{')
  )
}
