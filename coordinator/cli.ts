#!/usr/bin/env node
import { runCli } from '../shared/program.ts'

await runCli({
  name: 'morag-coordinator',
  description: 'Job queue of MoRAG remote conversion: takes files and distributes them to agents.',
  commands: {
    serve: async () => (await import('./commands/serve.ts')).addServe,
    jobs: async () => (await import('./commands/jobs.ts')).addJobs,
    workers: async () => (await import('./commands/workers.ts')).addWorkers,
    token: async () => (await import('./commands/token.ts')).addTokenCommands,
    usage: async () => (await import('./commands/usage.ts')).addUsage,
    vocabulary: async () => (await import('./commands/vocabulary.ts')).addVocabularyCommands,
    cleanup: async () => (await import('./commands/cleanup.ts')).addCleanup,
    health: async () => (await import('./commands/health.ts')).addHealth,
    doctor: async () => (await import('./commands/doctor.ts')).addDoctor,
    import: async () => (await import('./commands/import.ts')).addImport,
    export: async () => (await import('./commands/export.ts')).addExport,
    move: async () => (await import('./commands/move.ts')).addMove,
    migrate: async () => (await import('./commands/migrate.ts')).addMigrate,
    config: async () => (await import('./commands/config.ts')).addConfig,
  },
  loadConfigured: async () => (await import('./config.ts')).CONFIGURED,
})
