/** Nothing else is passed to child processes: `MORAG_*` variables hold keys. */
const ALLOWED = new Set(
  (
    'PATH HOME USER LOGNAME LANG LANGUAGE TZ TMPDIR TMP TEMP LD_LIBRARY_PATH DYLD_LIBRARY_PATH ' +
    'OMP_NUM_THREADS SSL_CERT_FILE SSL_CERT_DIR NODE_EXTRA_CA_CERTS NODE_V8_COVERAGE'
  ).split(' '),
)
const ALLOWED_PREFIX = /^(LC_|XDG_|CUDA_|HIP_|ROCR_|HSA_|NVIDIA_|GGML_|ONEAPI_|ZE_)/

/**
 * The environment of a child process: the allow-listed variables, then `extra`.
 * @param isAllowed for variables that are not on the list.
 */
export function childEnv(
  extra: Readonly<Record<string, string>> = {},
  isAllowed: (name: string) => boolean = () => false,
): Record<string, string> {
  const passed: Record<string, string> = {}
  for (const [name, value] of Object.entries(process.env)) {
    if (value === undefined) continue
    if (ALLOWED.has(name) || ALLOWED_PREFIX.test(name) || isAllowed(name)) passed[name] = value
  }
  return { ...passed, ...extra }
}
