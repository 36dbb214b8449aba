// Numbers, money and times as people of a locale read them.

import type { Interval } from './ranges.ts'

/** An amount as the API sends it: a decimal text, which may have more digits than a JavaScript number. */
export interface Amount {
  currency: string
  amount: string
}

export type Format = ReturnType<typeof createFormat>

/** How an amount is written: in full, without the decimals of whole amounts, or in thousands and millions. */
type Length = 'full' | 'stripped' | 'compact'

const LENGTHS: Record<Length, Intl.NumberFormatOptions> = {
  full: {},
  stripped: { trailingZeroDisplay: 'stripIfInteger' },
  compact: { notation: 'compact', minimumFractionDigits: 0, maximumFractionDigits: 1 },
}

/** What stands in place of a figure that is not known. */
export const UNKNOWN = '–'

export function createFormat(locale: string, timeZone: string) {
  const numbers = new Intl.NumberFormat(locale)
  const compact = new Intl.NumberFormat(locale, { notation: 'compact', maximumFractionDigits: 1 })
  const percents = new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 2 })
  const changes = new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 0, signDisplay: 'exceptZero' })
  const time = (options: Intl.DateTimeFormatOptions) => {
    // A format takes long to make, and no page uses all of them.
    let format: Intl.DateTimeFormat | undefined
    return (moment: string | number | Date) => {
      format ??= new Intl.DateTimeFormat(locale, { timeZone, ...options })
      return format.format(new Date(moment))
    }
  }
  const buckets: Record<Interval, (start: string | number) => string> = {
    hour: time({ weekday: 'short', day: 'numeric', month: 'short', hour: 'numeric', minute: '2-digit' }),
    day: time({ weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' }),
    week: time({ day: 'numeric', month: 'short', year: 'numeric' }),
    month: time({ month: 'long', year: 'numeric' }),
  }
  const ticks: Record<Interval, (start: string | number) => string> = {
    hour: time({ day: 'numeric', month: 'short', hour: 'numeric' }),
    day: time({ day: 'numeric', month: 'short' }),
    week: time({ day: 'numeric', month: 'short' }),
    month: time({ month: 'short', year: '2-digit' }),
  }
  const currencies = new Map<string, Intl.NumberFormat>()
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' })

  /** Formats the decimal text itself: a JavaScript number would round large amounts. */
  function money({ currency, amount }: Amount, length: Length = 'full'): string {
    const key = `${currency} ${length}`
    let format = currencies.get(key)
    if (format === undefined) {
      format = moneyFormat(locale, currency, length)
      currencies.set(key, format)
    }
    const text = format.format(amount as Intl.StringNumericLiteral)
    // Intl knows codes of three letters only.
    return isIsoCode(currency) ? text : `${text} ${currency}`
  }

  return {
    locale,
    timeZone,
    money,
    number: (value: number | bigint) => numbers.format(value),
    compact: (value: number) => compact.format(value),
    /** The number of decimals of a currency. */
    digits: (currency: string) => moneyFormat(locale, currency, 'full').resolvedOptions().maximumFractionDigits ?? 2,
    percent: (value: number) => percents.format(value),
    change: (value: number) => changes.format(value),
    date: time({ dateStyle: 'medium' }),
    dateTime: time({ dateStyle: 'medium', timeStyle: 'short' }),
    exactTime: time({ dateStyle: 'medium', timeStyle: 'medium' }),
    clock: time({ timeStyle: 'medium' }),
    /** A date without a time, such as those of a range. */
    day: (date: string) => new Intl.DateTimeFormat(locale, { timeZone: 'UTC', dateStyle: 'medium' }).format(new Date(date)),
    bucket: (start: string | number, interval: Interval) => buckets[interval](start),
    /** The start of a bucket at the axis of a chart. */
    tick: (start: string | number, interval: Interval) => ticks[interval](start),
    ago: (moment: string, now: Date) => ago(relative, Date.parse(moment) - now.getTime()),
    bytes: (value: number) => bytes(locale, value),
  }
}

function isIsoCode(currency: string): boolean {
  return /^[A-Za-z]{3}$/.test(currency)
}

function moneyFormat(locale: string, currency: string, length: Length): Intl.NumberFormat {
  const kind = isIsoCode(currency) ? { style: 'currency' as const, currency } : { minimumFractionDigits: 2, maximumFractionDigits: 2 }
  return new Intl.NumberFormat(locale, { ...kind, ...LENGTHS[length] })
}

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 31_557_600_000],
  ['month', 2_629_800_000],
  ['week', 604_800_000],
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
]

function ago(format: Intl.RelativeTimeFormat, millis: number): string {
  for (const [unit, length] of UNITS) {
    if (Math.abs(millis) >= length) return format.format(Math.round(millis / length), unit)
  }
  return format.format(Math.round(millis / 1000), 'second')
}

function bytes(locale: string, value: number): string {
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte']
  const power = value < 1 ? 0 : Math.min(Math.floor(Math.log10(value) / 3), units.length - 1)
  const options = { style: 'unit', unit: units[power] ?? 'byte', unitDisplay: 'short', maximumFractionDigits: 1 } as const
  return new Intl.NumberFormat(locale, options).format(value / 1000 ** power)
}

/** The change from one figure to another, as a part of the first; `undefined` where there was nothing before. */
export function change(now: number | undefined, before: number | undefined): number | undefined {
  return now === undefined || before === undefined || before === 0 ? undefined : (now - before) / Math.abs(before)
}
