import { addSettings } from '../../shared/setting-table.ts'
import { CONVERSION } from '../settings/conversion-table.ts'
import { Command } from 'commander'
import { aboutLines } from '../../shared/about.ts'
import { messageOf } from '../../shared/errors.ts'
import { timeoutSignal } from '../../shared/timers.ts'
import { findDevices } from '../gpu/devices.ts'
import { deviceText } from '../gpu/device-text.ts'
import { probeEngines } from '../engines/registry.ts'
import { findTools } from '../media/ffmpeg.ts'
import { fetchedTools } from '../media/open-tools.ts'
import { ORIGINS } from '../media/tools-text.ts'
import { mediaSettings } from '../settings/media-settings.ts'
import { print } from '../output.ts'

/** `--version --verbose`: what a bug report needs, whatever of it can be had. */
export async function printAbout(cli: Command): Promise<void> {
  const signal = timeoutSignal(30_000)
  const command = addSettings(new Command(), ...CONVERSION)
  command.parse([], { from: 'user' })
  const { engineSettings, ffmpeg, modelsDir: dir } = mediaSettings(command.opts())
  const { devices } = await findDevices({ signal })
  const device = devices[0] ?? { kind: 'cpu' as const, name: 'cpu' }
  const engines = await probeEngines({ ...engineSettings, device }, signal)
  const usable = engines.filter((one) => one.usable).map((one) => one.name)
  // Whoever asks about this machine wants nothing fetched.
  const fetched = fetchedTools({ dir, signal, offline: true })
  const tools = await findTools({ explicit: ffmpeg, fetched, signal }).then(
    ({ version, year, origin }) =>
      `${version}, of ${year ?? 'an unknown year'}, ${ORIGINS[origin]}`,
    (error: unknown) => messageOf(error),
  )
  const lines = [
    ...aboutLines(cli),
    `runs on: ${deviceText(devices)}`,
    `ffmpeg: ${tools}`,
    `usable engines: ${usable.join(', ') || 'none'}`,
  ]
  await print(`${lines.join('\n')}\n`)
}
