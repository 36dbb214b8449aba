import { describe, expect, test } from 'vitest'
import { bounds, boundsBefore, days, defaultInterval, intervals, parseRange, PRESETS, rangeText } from './ranges.ts'

// In Berlin it is already Tuesday, the first of December.
const place = { timeZone: 'Europe/Berlin', now: new Date('2026-11-30T23:30:00Z'), firstDayOfWeek: 1 }

describe('ranges', () => {
  test.each([
    ['week', '2026-11-23', '2026-11-23T23:30:00.000Z'],
    ['month', '2026-11-01', '2026-10-31T23:30:00.000Z'],
    ['year', '2025-01-01', '2025-11-30T23:30:00.000Z'],
    ['lastMonth', '2026-10-01', '2026-11-01'],
  ] as const)('%s is compared with the one before', (range, from, to) => {
    expect(boundsBefore(range, place)).toEqual({ from, to })
  })

  test('other ranges are compared with as many days before, by the server', () => {
    for (const range of ['today', '7d', '30d', '12m', { first: '2026-11-01', last: '2026-11-30' }] as const) {
      expect(boundsBefore(range, place)).toBeUndefined()
    }
  })

  test.each([
    ['today', '2026-12-01', '2026-12-01'],
    ['yesterday', '2026-11-30', '2026-11-30'],
    ['7d', '2026-11-25', '2026-12-01'],
    ['30d', '2026-11-02', '2026-12-01'],
    ['week', '2026-11-30', '2026-12-01'],
    ['month', '2026-12-01', '2026-12-01'],
    ['lastMonth', '2026-11-01', '2026-11-30'],
    ['year', '2026-01-01', '2026-12-01'],
    ['12m', '2025-12-02', '2026-12-01'],
  ] as const)('%s has its days', (preset, first, last) => {
    expect(days(preset, place)).toEqual({ first, last })
  })

  test('that include today end now, and others at the end of their last day', () => {
    expect(bounds('7d', place)).toEqual({ from: '2026-11-25', to: '2026-11-30T23:30:00.000Z' })
    expect(bounds('yesterday', place)).toEqual({ from: '2026-11-30', to: '2026-12-01' })
    expect(bounds({ first: '2026-12-02', last: '2026-12-03' }, place)).toEqual({ from: '2026-12-02', to: '2026-12-04' })
  })

  test('have an interval that suits them', () => {
    for (const preset of PRESETS) expect(intervals(preset, place), preset).toContain(defaultInterval(preset, place))
    expect(intervals('today', place)).toEqual(['hour'])
    expect(intervals('90d', place)).toEqual(['day', 'week', 'month'])
  })

  test('survive the way through a URL', () => {
    for (const range of [...PRESETS, { first: '2026-01-01', last: '2026-01-31' }]) {
      expect(parseRange(rangeText(range))).toEqual(range)
    }
    for (const text of [null, '', 'decade', '2026-02-01..2026-01-01', '2026-01-01..', '2026-01-01..2026-01-02..']) {
      expect(parseRange(text), String(text)).toBe('30d')
    }
  })
})
