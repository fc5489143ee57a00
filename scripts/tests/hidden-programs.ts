import { mkdir, readdir, symlink } from 'node:fs/promises'
import path from 'node:path'

/**
 * A PATH like `value` on which none of `programs` is found. A folder that holds one of them is replaced by a folder of
 * links to all else that it holds.
 * @param folder for those folders of links; made when it is needed.
 */
export async function pathWithout(
  programs: readonly string[],
  value: string,
  folder: string,
): Promise<string> {
  const folders = value.split(path.delimiter).filter((one) => path.isAbsolute(one))
  const shown = [...new Set(folders)].map(async (one, index) => {
    const names = await readdir(one).catch(() => [])
    if (!names.some((name) => programs.includes(name))) return one
    const shadow = path.join(folder, String(index))
    await mkdir(shadow, { recursive: true })
    const visible = names.filter((name) => !programs.includes(name))
    await Promise.all(visible.map((name) => symlink(path.join(one, name), path.join(shadow, name))))
    return shadow
  })
  return (await Promise.all(shown)).join(path.delimiter)
}
