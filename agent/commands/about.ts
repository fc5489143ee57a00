import { Command } from 'commander'
import { messageOf } from '../../shared/errors.ts'
import { addSettings } from '../../shared/settings.ts'
import { timeoutSignal } from '../../shared/timers.ts'
import { findDevices } from '../gpu/find-devices.ts'
import { deviceText } from '../gpu/device.ts'
import { probeEngines } from '../engines/registry.ts'
import { findTools } from '../media/find-ffmpeg.ts'
import { fetchedTools } from '../media/open-tools.ts'
import { ORIGINS } from '../media/tools-text.ts'
import { CONVERSION } from '../settings/conversion-table.ts'
import { mediaSettings } from '../settings/media-settings.ts'

/** What a bug report needs to know of this machine: devices, ffmpeg and engines. */
export async function aboutLines(): Promise<string[]> {
  const signal = timeoutSignal(30_000)
  const command = addSettings(new Command(), ...CONVERSION)
  command.parse([], { from: 'user' })
  const { engineSettings, ffmpeg, modelsDir: dir } = mediaSettings(command.opts())
  const { devices } = await findDevices({ signal })
  const device = devices[0] ?? { kind: 'cpu' as const, name: 'cpu' }
  const engines = await probeEngines({ ...engineSettings, device }, signal)
  const usable = engines.filter((one) => one.usable).map((one) => one.name)
  const fetched = fetchedTools({ dir, signal, offline: true })
  const tools = await findTools({ explicit: ffmpeg, fetched, signal }).then(
    ({ version, year, origin }) =>
      `${version}, of ${year ?? 'an unknown year'}, ${ORIGINS[origin]}`,
    (error: unknown) => messageOf(error),
  )
  return [
    `runs on: ${deviceText(devices)}`,
    `ffmpeg: ${tools}`,
    `usable engines: ${usable.join(', ') || 'none'}`,
  ]
}
