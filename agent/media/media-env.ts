import { childEnv } from '../../shared/child-env.ts'

/**
 * The environment of ffmpeg and ffprobe. A static build that loads the character sets of another glibc crashes (npm's
 * ffprobe does, on every MPEG transport stream): it must find none. Nothing that is read needs them.
 */
export function toolEnv(): Record<string, string> {
  return { ...childEnv(), GCONV_PATH: '/nonexistent' }
}
