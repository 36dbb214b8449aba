// Ranges of time: presets, custom dates, and what they are in a request.

import { addDays, addMonths, type DateText, DAY, dateIn, daysBetween, isDate, startOfMonth, startOfWeek, startOfYear } from './dates.ts'

export const PRESETS = [
  'today',
  'yesterday',
  '7d',
  '30d',
  '90d',
  'week',
  'month',
  'lastMonth',
  'year',
  '12m',
] as const
export type Preset = (typeof PRESETS)[number]

/** A preset, or the first and the last day. */
export type Range = Preset | { first: DateText; last: DateText }

export const INTERVALS = ['hour', 'day', 'week', 'month'] as const
export type Interval = (typeof INTERVALS)[number]

export const COMPARISONS = ['previousPeriod', 'previousYear', 'none'] as const
export type Comparison = (typeof COMPARISONS)[number]

export const DEFAULT_RANGE: Preset = '30d'

/** Where "today" is. */
export interface Place {
  timeZone: string
  now: Date
  firstDayOfWeek: number
}

/** The first and the last day of a range. */
export function days(range: Range, place: Place): { first: DateText; last: DateText } {
  if (typeof range === 'object') return range
  const today = dateIn(place.timeZone, place.now)
  switch (range) {
    case 'today':
      return { first: today, last: today }
    case 'yesterday':
      return { first: addDays(today, -1), last: addDays(today, -1) }
    case '7d':
      return { first: addDays(today, -6), last: today }
    case '30d':
      return { first: addDays(today, -29), last: today }
    case '90d':
      return { first: addDays(today, -89), last: today }
    case 'week':
      return { first: startOfWeek(today, place.firstDayOfWeek), last: today }
    case 'month':
      return { first: startOfMonth(today), last: today }
    case 'lastMonth':
      return { first: addMonths(startOfMonth(today), -1), last: addDays(startOfMonth(today), -1) }
    case 'year':
      return { first: startOfYear(today), last: today }
    case '12m':
      return { first: addDays(addMonths(today, -12), 1), last: today }
  }
}

/**
 * The parameters of a request. A range that includes today ends now, so that it is compared with the same part of the
 * period before.
 */
export function bounds(range: Range, place: Place): { from: string; to: string } {
  const { first, last } = days(range, place)
  const today = dateIn(place.timeZone, place.now)
  const isRunning = first <= today && today <= last
  return { from: first, to: isRunning ? place.now.toISOString() : addDays(last, 1) }
}

/** How a week, a month or a year becomes the one before. */
const BACK: Partial<Record<Preset, (date: DateText) => DateText>> = {
  week: (date) => addDays(date, -7),
  month: (date) => addMonths(date, -1),
  lastMonth: (date) => addMonths(date, -1),
  year: (date) => addMonths(date, -12),
}

/**
 * The parameters of the week, month or year before, up to the same day and time. `undefined` for other ranges: the server
 * compares them with as many days before.
 */
export function boundsBefore(range: Range, place: Place): { from: string; to: string } | undefined {
  const back = typeof range === 'string' ? BACK[range] : undefined
  if (back === undefined) return undefined
  const { from, to } = bounds(range, place)
  if (isDate(to)) return { from: back(from), to: back(to) }
  const today = dateIn(place.timeZone, place.now)
  return { from: back(from), to: new Date(place.now.getTime() - daysBetween(back(today), today) * DAY).toISOString() }
}

/** The intervals that suit a range: no chart has more than about 800 points, or only one. */
export function intervals(range: Range, place: Place): Interval[] {
  const { first, last } = days(range, place)
  const length = daysBetween(first, last) + 1
  return INTERVALS.filter((interval) => {
    if (interval === 'hour') return length <= 31
    if (interval === 'day') return length > 1 && length <= 800
    if (interval === 'week') return length > 7
    return length > 31
  })
}

export function defaultInterval(range: Range, place: Place): Interval {
  const { first, last } = days(range, place)
  const length = daysBetween(first, last) + 1
  if (length <= 2) return 'hour'
  if (length <= 92) return 'day'
  return length <= 370 ? 'week' : 'month'
}

/** Writes a range as text for a URL. */
export function rangeText(range: Range): string {
  return typeof range === 'object' ? `${range.first}..${range.last}` : range
}

/** Reads the text of a URL; anything else is the default. */
export function parseRange(text: string | null): Range {
  const [first = '', last = '', ...more] = (text ?? '').split('..')
  if (isDate(first) && isDate(last) && first <= last && more.length === 0) return { first, last }
  return PRESETS.find((preset) => preset === text) ?? DEFAULT_RANGE
}
