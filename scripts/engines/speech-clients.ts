import path from 'node:path'
import { markOf, once, type PrepareOptions } from './once.ts'
import { clientPython } from './python.ts'
import { runTool } from './tool.ts'

const OPENAI = 'openai@6.49.0'
const NGINX_HINT = 'nginx is fetched by apt-get (Debian); elsewhere put it into PATH.'

/** Programs that speak other programs' APIs, and a proxy before them. */
export interface SpeechClients {
  /** A Python with openai, requests and litellm. */
  python: string
  litellm: string
  /** A folder whose `node_modules` has openai. */
  packages: string
  nginx: string
}

/** Installs them, once. @throws {AppError} `engine_missing` when one cannot be had. */
export async function speechClients(options: PrepareOptions): Promise<SpeechClients> {
  const python = await clientPython(options)
  const { signal } = options
  const packages = await once(
    `openai-npm-${markOf(OPENAI)}`,
    async (folder) => {
      const args = ['install', '--prefix', folder, '--no-audit', '--no-fund', OPENAI]
      await runTool('npm', args, { signal, hint: 'npm is needed.' })
    },
    options,
  )
  const nginx = await once(
    'nginx',
    async (folder) => {
      await runTool('apt-get', ['download', 'nginx'], { signal, cwd: folder, hint: NGINX_HINT })
      const unpack = ['-c', 'dpkg-deb -x nginx_*.deb .']
      await runTool('sh', unpack, { signal, cwd: folder, hint: NGINX_HINT })
    },
    options,
  )
  return {
    python,
    litellm: path.join(path.dirname(python), 'litellm'),
    packages,
    nginx: path.join(nginx, 'usr/sbin/nginx'),
  }
}
