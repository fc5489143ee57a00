import { copyFile, mkdir } from 'node:fs/promises'
import path from 'node:path'
import { buildClientCode, buildClientTypes } from '../../scripts/build-client.ts'
import { ROOT } from '../clients/snippets.ts'

/** Puts the client into `node_modules` of a folder as the published package has it; its folder there. */
export async function installClient(folder: string): Promise<string> {
  const home = path.join(folder, 'node_modules/morag-remote-conversion')
  const dist = path.join(home, 'dist/client')
  await mkdir(dist, { recursive: true })
  await Promise.all([
    copyFile(path.join(ROOT, 'package.json'), path.join(home, 'package.json')),
    buildClientCode(dist),
    buildClientTypes(dist),
  ])
  return dist
}
