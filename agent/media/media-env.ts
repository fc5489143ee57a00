import { childEnv } from '../../shared/child-env.ts'

/**
 * What ffmpeg and ffprobe run with. A static build takes the character sets of a glibc that is not its own, and crashes
 * (the ffprobe from npm does, on every MPEG transport stream): it is to find none. We read nothing that needs them.
 */
export function toolEnv(): Record<string, string> {
  return { ...childEnv(), GCONV_PATH: '/nonexistent' }
}
