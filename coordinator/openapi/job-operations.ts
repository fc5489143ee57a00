import { MEDIA_TYPES } from '../../shared/forms.ts'
import { listQuery } from '../../shared/wire.ts'
import { IDEMPOTENCY_KEY, type Operation } from './operation.ts'
import { refTo } from './schemas.ts'

/** Making, following and ending jobs, and reading what came of them. */
export const JOB_OPERATIONS: readonly Operation[] = [
  {
    id: 'createJob',
    tag: 'Jobs',
    method: 'POST',
    route: '/remote-jobs',
    summary: 'Make a job of a file',
    description:
      'Of an uploaded file, or with JSON of a path that the coordinator can see inside a media root.',
    headers: { 'Idempotency-Key': { description: IDEMPOTENCY_KEY } },
    body: {
      json: 'CreateJob',
      form: {
        allOf: [
          refTo('UploadFields'),
          {
            type: 'object',
            properties: {
              file: { type: 'string', contentMediaType: 'application/octet-stream' },
            },
            required: ['file'],
          },
        ],
      },
    },
    answer: 'CreatedJob',
    errors: ['conflict', 'source_missing', 'forbidden', 'no_space'],
  },
  {
    id: 'listJobs',
    tag: 'Jobs',
    method: 'GET',
    route: '/remote-jobs',
    summary: 'List jobs, newest first',
    query: listQuery,
    answer: 'JobList',
    errors: ['invalid'],
  },
  {
    id: 'getJob',
    tag: 'Jobs',
    method: 'GET',
    route: '/remote-jobs/:id',
    summary: 'All about one job, with its attempts',
    answer: 'Job',
  },
  {
    id: 'getJobStatus',
    tag: 'Jobs',
    method: 'GET',
    route: '/remote-jobs/:id/status',
    summary: 'How far a job is',
    answer: 'JobStatus',
  },
  {
    id: 'cancelJob',
    tag: 'Jobs',
    method: 'POST',
    route: '/remote-jobs/:id/cancel',
    summary: 'Cancel a job',
    description: 'A worker that has it is told with its next heartbeat.',
    answer: 'JobStatus',
    errors: ['conflict'],
  },
  {
    id: 'getTranscript',
    tag: 'Transcripts',
    method: 'GET',
    route: '/remote-jobs/:id/result',
    summary: 'The transcript of a completed job',
    answer: 'Transcript',
    errors: ['conflict'],
  },
  {
    id: 'getTranscriptFile',
    tag: 'Transcripts',
    method: 'GET',
    route: '/remote-jobs/:id/:file{result\\.(md|json|srt|vtt|txt)}',
    summary: 'The transcript as a file',
    description:
      'Of a result without segments, as of a document, `result.txt` is its text, `result.json` has it as `text`, and subtitles are refused.',
    path: {
      file: {
        description: 'Its form, by its ending.',
        schema: {
          type: 'string',
          enum: ['result.md', 'result.json', 'result.srt', 'result.vtt', 'result.txt'],
        },
      },
    },
    answer: Object.values(MEDIA_TYPES),
    errors: ['conflict'],
  },
  {
    id: 'getSource',
    tag: 'Transcripts',
    method: 'GET',
    route: '/remote-jobs/:id/source',
    summary: 'The recording, to be played',
    description: 'Under its media type where that is of sound or pictures.',
    headers: {
      Range: { description: 'One range of bytes.' },
      'If-Range': { description: 'The ETag of what was fetched before.' },
    },
    answer: ['audio/*', 'video/*', 'application/octet-stream'],
    also: { '206': 'The range that was asked for.', '416': 'There is no such range.' },
    errors: ['source_missing', 'source_changed'],
  },
  {
    id: 'listArtifacts',
    tag: 'Transcripts',
    method: 'GET',
    route: '/remote-jobs/:id/artifacts',
    summary: 'Which files lie beside the transcript',
    answer: 'Artifacts',
  },
  {
    id: 'getArtifact',
    tag: 'Transcripts',
    method: 'GET',
    route: '/remote-jobs/:id/artifacts/:name',
    summary: 'One of the files beside the transcript',
    answer: ['application/octet-stream'],
    errors: ['invalid'],
  },
]
