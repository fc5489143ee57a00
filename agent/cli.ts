#!/usr/bin/env node
import { runCli } from '../shared/program.ts'

await runCli({
  name: 'morag-agent',
  description: 'Transcribes audio and video, for a coordinator or on its own.',
  examples: `
Examples:
  morag-agent transcribe talk.mp3                             transcribe a file on this machine
  morag-agent start --url https://morag.example --types audio,video
  morag-agent test --test all                                 check that everything works here
`,
  commands: {
    start: async () => (await import('./commands/start.ts')).addStart,
    test: async () => (await import('./commands/test.ts')).addTest,
    transcribe: async () => (await import('./commands/transcribe.ts')).addTranscribe,
    render: async () => (await import('./commands/render.ts')).addRender,
    watch: async () => (await import('./commands/watch.ts')).addWatch,
    submit: async () => (await import('./commands/submit.ts')).addSubmit,
    register: async () => (await import('./commands/register.ts')).addRegister,
    models: async () => (await import('./commands/models.ts')).addModels,
    engines: async () => (await import('./commands/engines.ts')).addEngines,
    status: async () => (await import('./commands/status.ts')).addStatus,
    drain: async () => (await import('./commands/status.ts')).addDrain,
    service: async () => (await import('./commands/service.ts')).addService,
    config: async () => (await import('./commands/config.ts')).addConfig,
  },
  async loadConfigured() {
    return (await import('./settings/config.ts')).CONFIGURED
  },
  async prepare() {
    ;(await import('./settings/config.ts')).prepareEnvironment()
  },
  aboutLines: async () => await (await import('./commands/about.ts')).aboutLines(),
})
