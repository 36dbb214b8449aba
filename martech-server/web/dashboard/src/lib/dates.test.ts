import { describe, expect, test } from 'vitest'
import { addDays, addMonths, dateIn, daysBetween, isDate, startOfWeek } from './dates.ts'

describe('dates', () => {
  test('are those of the time zone', () => {
    const moment = new Date('2026-03-29T23:30:00Z')
    expect(dateIn('Europe/Berlin', moment)).toBe('2026-03-30')
    expect(dateIn('America/New_York', moment)).toBe('2026-03-29')
  })

  test('are added over months, years and changes of the clock', () => {
    expect(addDays('2026-03-28', 2)).toBe('2026-03-30')
    expect(addDays('2026-01-01', -1)).toBe('2025-12-31')
    expect(addMonths('2026-03-31', -1)).toBe('2026-02-28')
    expect(addMonths('2024-01-31', 1)).toBe('2024-02-29')
    expect(addMonths('2026-11-15', 2)).toBe('2027-01-15')
    expect(daysBetween('2026-03-01', '2026-04-01')).toBe(31)
  })

  test('begin weeks on the day of the locale', () => {
    // 2026-11-30 is a Monday.
    expect(startOfWeek('2026-11-30', 1)).toBe('2026-11-30')
    expect(startOfWeek('2026-11-29', 1)).toBe('2026-11-23')
    expect(startOfWeek('2026-11-30', 7)).toBe('2026-11-29')
    expect(startOfWeek('2026-11-28', 7)).toBe('2026-11-22')
  })

  test('must exist', () => {
    expect(isDate('2024-02-29')).toBe(true)
    for (const text of ['2026-02-29', '2026-13-01', '2026-1-1', 'today', '']) expect(isDate(text), text).toBe(false)
  })
})
