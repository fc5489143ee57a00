import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { modelsDir } from '../../agent/paths.ts'
import { programCode } from '../../scripts/processes.ts'

/** iproute2's. */
const IP = 'ip'
const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** A network of its own beside this machine's, with one cable between them that may be bad, or be pulled out. */
export interface FarNetwork {
  /** This machine's end of the cable. */
  readonly host: string
  /** How bad it is. */
  readonly quality: string
  /** Runs the agent over there to its end. */
  agent(args: readonly string[]): Promise<{ exitCode: number | undefined; said: string }>
  cable(is: 'in' | 'out'): Promise<void>
  release(): Promise<void>
}

/** Why a test is skipped that has none. */
export const NO_NETWORK = 'it needs a network namespace, and making one is not allowed here'

async function can(...[program, ...args]: [string, ...string[]]): Promise<boolean> {
  return !(await execa(program, args, { reject: false, stdio: 'ignore' })).failed
}

/** Makes one; null where that is not allowed. */
export async function farNetwork(): Promise<FarNetwork | null> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return null
  const name = `morag${process.pid}`
  const [near, far] = [`${name}a`, `${name}b`]
  // Addresses that are reserved for tests of networks (RFC 2544).
  const net = `198.18.${process.pid % 256}`
  const inside = [IP, 'netns', 'exec', name] as const
  const release = async (): Promise<void> => {
    await can(IP, 'link', 'del', near)
    await can(IP, 'netns', 'del', name)
  }
  const isMade =
    (await can(IP, 'netns', 'add', name)) &&
    (await can(IP, 'link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', name)) &&
    (await can(IP, 'addr', 'add', `${net}.1/30`, 'dev', near)) &&
    (await can(IP, 'link', 'set', near, 'up')) &&
    (await can(...inside, 'ip', 'addr', 'add', `${net}.2/30`, 'dev', far)) &&
    (await can(...inside, 'ip', 'link', 'set', far, 'up'))
  const quality = isMade ? await spoil(near, inside, far) : null
  if (quality === null) {
    await release()
    return null
  }
  return {
    host: `${net}.1`,
    quality,
    async agent(args) {
      const code = [process.execPath, ...programCode('agent'), ...args]
      const { PATH = '', HOME = '' } = process.env
      // Nothing can be fetched from in there.
      const env = { PATH, HOME, MORAG_MODELS_DIR: modelsDir() }
      const alone = { env, extendEnv: false }
      const options = { cwd: ROOT, reject: false, all: true, stdin: 'ignore', ...alone } as const
      const { exitCode, all } = await execa(IP, ['netns', 'exec', name, ...code], options)
      return { exitCode, said: all }
    },
    async cable(is) {
      await can(IP, 'link', 'set', near, is === 'in' ? 'up' : 'down')
    },
    release,
  }
}

/** Makes both ends lose and delay what they send; where the system cannot, they have little room, and lose what is more. */
async function spoil(
  near: string,
  inside: readonly [string, ...string[]],
  far: string,
): Promise<string | null> {
  for (const quality of ['netem loss 5% delay 100ms', 'tbf rate 2mbit burst 4000 limit 8000']) {
    const words = quality.split(' ')
    if (
      (await can('tc', 'qdisc', 'add', 'dev', near, 'root', ...words)) &&
      (await can(...inside, 'tc', 'qdisc', 'add', 'dev', far, 'root', ...words))
    )
      return quality
  }
  return null
}
