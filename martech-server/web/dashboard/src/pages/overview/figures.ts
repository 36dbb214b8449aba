// The figures of the overview, and how they are shown.

import type { Schema } from '../../api/client.ts'
import type { Axis, ChartPoint, Value } from '../../components/chart/points.ts'
import { addDays, addMonths, dateIn } from '../../lib/dates.ts'
import { change, type Format, UNKNOWN } from '../../lib/format.ts'
import type { Interval } from '../../lib/ranges.ts'

export const FIGURES = [
  'revenue',
  'orders',
  'averageOrderValue',
  'conversion',
  'users',
  'newUsers',
  'sessions',
  'revenuePerUser',
] as const
export type Figure = (typeof FIGURES)[number]

type Totals = Schema<'Totals'>
type Stats = Schema<'Stats'>

const MONEY: ReadonlySet<Figure> = new Set(['revenue', 'averageOrderValue', 'revenuePerUser'])

export function isMoney(figure: Figure): boolean {
  return MONEY.has(figure)
}

/** A figure of a period or of a bucket. */
export function valueOf(figure: Figure, totals: Totals, currency: string, format: Format): Value {
  switch (figure) {
    case 'revenue':
    case 'averageOrderValue':
    case 'revenuePerUser': {
      // Without orders, the revenue is zero, and an average is not known.
      const zero = figure === 'averageOrderValue' ? undefined : { currency, amount: '0' }
      const amount = totals[figure].find((amount) => amount.currency === currency) ?? zero
      if (amount === undefined) return { number: null, text: UNKNOWN, raw: null }
      return { number: Number(amount.amount), text: format.money(amount), raw: amount.amount }
    }
    case 'conversion': {
      const share = totals.conversion ?? null
      return { number: share, text: share === null ? UNKNOWN : format.percent(share), raw: share }
    }
    default:
      return { number: totals[figure], text: format.number(totals[figure]), raw: totals[figure] }
  }
}

/** The axis of the chart of a figure. Its steps are not finer than what the figure counts. */
export function axisOf(figure: Figure, currency: string, format: Format): Axis {
  if (figure === 'conversion') return { step: 0.0001, label: format.percent }
  if (!isMoney(figure)) return { step: 1, label: format.compact }
  const digits = format.digits(currency)
  const label = (value: number) => format.money({ currency, amount: value.toFixed(digits) }, value < 10_000 ? 'stripped' : 'compact')
  return { step: 10 ** -digits, label }
}

/** The change of a figure between two periods. */
export function changeOf(now: Value, before: Value | undefined, format: Format) {
  const part = change(now.number ?? undefined, before?.number ?? undefined)
  if (part === undefined) return undefined
  // A change that is written as 0 % is none.
  const percent = Math.round(part * 100)
  const direction = percent > 0 ? ('up' as const) : percent < 0 ? ('down' as const) : ('same' as const)
  return { text: format.change(part), direction }
}

/** The points of a chart: bucket by bucket, with the compared period behind. */
export function pointsOf(figure: Figure, stats: Stats, currency: string, running: boolean, format: Format): ChartPoint[] {
  const { series, previous, interval } = stats
  const shown = (bucket: Totals & { start: string }, isPartial: boolean) => ({
    start: bucket.start,
    time: format.bucket(bucket.start, interval),
    value: valueOf(figure, bucket, currency, format),
    isPartial,
  })
  // One of the two periods may touch more weeks or months than the other.
  const length = Math.max(series.length, previous?.series.length ?? 0)
  return Array.from({ length }, (_, index) => {
    const [bucket, other] = [series[index], previous?.series[index]]
    const isRunning = running && index === series.length - 1
    const point = bucket === undefined ? NOTHING : shown(bucket, isRunning || isCut(bucket, stats, interval, format))
    if (other === undefined || previous == null) return point
    const compared = shown(other, isCut(other, previous, interval, format))
    // Days and hours are cut at the same time in both periods, weeks and months are not.
    const isComparable = !isLong(interval) || !(point.isPartial || compared.isPartial)
    return { ...point, compared, change: isComparable ? changeOf(point.value, compared.value, format)?.text : undefined }
  })
}

/** A bucket of a period that is over while the compared one goes on. */
const NOTHING = { start: '', time: UNKNOWN, value: { number: null, text: UNKNOWN, raw: null }, isPartial: false }

function isLong(interval: Interval): boolean {
  return interval === 'week' || interval === 'month'
}

/** Whether the period has only a part of a week or of a month. */
function isCut(bucket: { start: string }, { from, to }: { from: string; to: string }, interval: Interval, { timeZone }: Format): boolean {
  if (!isLong(interval)) return false
  const first = dateIn(timeZone, new Date(bucket.start))
  const next = interval === 'week' ? addDays(first, 7) : addMonths(first, 1)
  return Date.parse(bucket.start) < Date.parse(from) || dateIn(timeZone, new Date(to)) < next
}

/** The currencies that occur, that of the project, and the chosen one. */
export function currenciesOf(stats: Stats, own: string, chosen: string): string[] {
  const found = [...stats.totals.revenue, ...(stats.previous?.revenue ?? [])].map(({ currency }) => currency)
  return [...new Set([own, chosen, ...found])].toSorted()
}
