import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  clockSeconds,
  DAY,
  formatDuration,
  formatTimestamp,
  HOUR,
  MINUTE,
  parseDuration,
  SECOND,
} from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'

test('a duration is read as people write it', () => {
  for (const [text, ms] of [
    ['90s', 90 * SECOND],
    ['15m', 15 * MINUTE],
    ['1.5h', 90 * MINUTE],
    ['1h30m', 90 * MINUTE],
    ['1h30m15s', 90 * MINUTE + 15 * SECOND],
    ['7d', 7 * DAY],
    ['250ms', 250],
    ['1s500ms', 1_500],
    ['30', 30 * SECOND],
    ['0.5', 500],
    ['0', 0],
    [' 5m ', 5 * MINUTE],
  ] as const)
    assert.equal(parseDuration(text), ms, text)
})

test('what is no duration is wrong usage, named, with an example', () => {
  for (const text of [
    '',
    ' ',
    'abc',
    '-5s',
    '5 m',
    '5x',
    '1h 30m',
    'h',
    '1.h',
    '.5s',
    '1e3',
    '5s!',
  ])
    assert.throws(
      () => parseDuration(text),
      (error) =>
        error instanceof AppError &&
        error.code === 'usage' &&
        error.message.includes(`'${text}'`) &&
        error.message.includes('1h30m'),
      text,
    )
})

test('a duration is written in its two largest units', () => {
  for (const [ms, text] of [
    [0, '0ms'],
    [850.4, '850ms'],
    [SECOND, '1s'],
    [42 * SECOND, '42s'],
    [59_600, '1m'],
    [200 * SECOND, '3m 20s'],
    [2 * HOUR + 5 * MINUTE + 9 * SECOND, '2h 5m'],
    [2 * HOUR + 9 * SECOND, '2h 9s'],
    [7 * DAY, '7d'],
    [8 * DAY + HOUR + MINUTE, '8d 1h'],
  ] as const)
    assert.equal(formatDuration(ms), text)
})

test('a written duration is read as the same length', () => {
  for (const ms of [850, 42 * SECOND, 200 * SECOND, 2 * HOUR + 5 * MINUTE, 7 * DAY])
    assert.equal(parseDuration(formatDuration(ms).replaceAll(' ', '')), ms)
})

test('a position is minutes and seconds, rounded down, with hours from one hour on', () => {
  for (const [seconds, text] of [
    [0, '00:00'],
    [-3, '00:00'],
    [59.999, '00:59'],
    [60, '01:00'],
    [3_599.999, '59:59'],
    [3_600, '01:00:00'],
    [3_725, '01:02:05'],
    [360_000, '100:00:00'],
  ] as const)
    assert.equal(formatTimestamp(seconds), text)
  assert.equal(formatTimestamp(61, 'hours'), '00:01:01')
})

test('a clock gives its seconds, with or without hours and whatever its fraction', () => {
  for (const [clock, seconds] of [
    ['01:00:04.320', 3604.32],
    ['00:04,5', 4.5],
    ['00:00:11.064000000', 11.064],
    ['99:59:59.999', 359_999.999],
    ['7', 7],
  ] as const) {
    assert.equal(clockSeconds(clock), seconds)
  }
})
