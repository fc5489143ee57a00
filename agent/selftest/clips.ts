import { fileURLToPath } from 'node:url'

/** The bundled recordings and their texts (public domain). */
export const CLIPS = [
  {
    name: 'jfk.wav',
    file: asset('jfk.wav'),
    text: 'And so my fellow Americans, ask not what your country can do for you, ask what you can do for your country.',
    /** Word errors of the bundled engine. */
    allowed: 0,
  },
  {
    name: 'austen.wav',
    file: asset('austen.wav'),
    text: 'And Mr. John Dashwood had then leisure to consider how much there might be prudently in his power to do for them.',
    allowed: 1,
  },
] as const

function asset(name: string): string {
  return fileURLToPath(new URL(`../assets/${name}`, import.meta.url))
}
