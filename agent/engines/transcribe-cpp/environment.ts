import { childEnv } from '../../../shared/child-env.ts'

/** Variables that say where the library, CUDA and Vulkan's drivers are. */
const OWN =
  /^(TRANSCRIBE_LIBRARY|TRANSCRIBE_CUDA_RUNTIME_DIR|VK_(ICD|DRIVER|ADD_DRIVER)_\w+|VK_LOADER_\w+)$/

/** The environment of the library's process, with `extra`. */
export function libraryEnv(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  return childEnv(extra, (name) => OWN.test(name))
}
