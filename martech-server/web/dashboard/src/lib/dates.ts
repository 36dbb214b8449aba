// Calendar dates as text, YYYY-MM-DD. Days are added in UTC, where each has 24 hours.

export type DateText = string

export const DAY = 86_400_000

/** The formats of dates by time zone. They take long to make. */
const formats = new Map<string, Intl.DateTimeFormat>()

/** The date of a moment in a time zone. */
export function dateIn(timeZone: string, moment: Date): DateText {
  let format = formats.get(timeZone)
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' })
    formats.set(timeZone, format)
  }
  const of = Object.fromEntries(format.formatToParts(moment).map(({ type, value }) => [type, value]))
  return `${of.year}-${of.month}-${of.day}`
}

/** The time zone, or UTC if the browser does not know it. An old browser may lack the newest ones. */
export function knownZone(timeZone: string): string {
  try {
    return new Intl.DateTimeFormat('en', { timeZone }).resolvedOptions().timeZone
  } catch {
    return 'UTC'
  }
}

export function addDays(date: DateText, days: number): DateText {
  return text(Date.parse(date) + days * DAY)
}

/** Adds months. A day that the month does not have becomes its last one. */
export function addMonths(date: DateText, months: number): DateText {
  const [year = 0, month = 1, day = 1] = date.split('-').map(Number)
  const last = new Date(Date.UTC(year, month + months, 0)).getUTCDate()
  return text(Date.UTC(year, month - 1 + months, Math.min(day, last)))
}

/** The number of days from one date to another. */
export function daysBetween(from: DateText, to: DateText): number {
  return Math.round((Date.parse(to) - Date.parse(from)) / DAY)
}

export function startOfMonth(date: DateText): DateText {
  return `${date.slice(0, 8)}01`
}

export function startOfYear(date: DateText): DateText {
  return `${date.slice(0, 5)}01-01`
}

/** The first day of the week of a date. `firstDay` is 1 for Monday to 7 for Sunday. */
export function startOfWeek(date: DateText, firstDay: number): DateText {
  const weekday = new Date(Date.parse(date)).getUTCDay()
  return addDays(date, -((weekday - firstDay + 7) % 7))
}

/** Whether a text is a date of the calendar. */
export function isDate(value: string): boolean {
  return /^\d{4}-\d{2}-\d{2}$/.test(value) && !Number.isNaN(Date.parse(value)) && text(Date.parse(value)) === value
}

/** The day with which a week begins in a locale, from 1 for Monday to 7 for Sunday. */
export function firstDayOfWeek(locale: string): number {
  const info = new Intl.Locale(locale) as Intl.Locale & { getWeekInfo?(): WeekInfo; weekInfo?: WeekInfo }
  return (info.getWeekInfo?.() ?? info.weekInfo)?.firstDay ?? 1
}

interface WeekInfo {
  firstDay: number
}

function text(millis: number): DateText {
  return new Date(millis).toISOString().slice(0, 10)
}
