// The figures of the overview, and how they are shown.

import type { Schema } from '../../api/client.ts'
import type { ChartPoint, Value } from '../../components/chart/points.ts'
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
type Bucket = Schema<'SeriesBucket'>

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

/** How the values of a figure are written at the axis of its chart. */
export function axisOf(figure: Figure, currency: string, format: Format): (value: number) => string {
  switch (figure) {
    case 'revenue':
    case 'averageOrderValue':
    case 'revenuePerUser':
      return (value) => format.money({ currency, amount: value.toFixed(2) }, { compact: true })
    case 'conversion':
      return format.percent
    default:
      return format.compact
  }
}

/** The change of a figure between two periods. */
export function changeOf(now: Value, before: Value | undefined, format: Format) {
  const part = change(now.number ?? undefined, before?.number ?? undefined)
  if (part === undefined) return undefined
  const direction = part > 0 ? ('up' as const) : part < 0 ? ('down' as const) : ('same' as const)
  return { text: format.change(part), direction }
}

/** The points of a chart: bucket by bucket, with the compared period behind. */
export function pointsOf(figure: Figure, stats: Stats, currency: string, format: Format): ChartPoint[] {
  const before = stats.previous?.series
  return stats.series.map((bucket, index) => {
    const value = valueOf(figure, bucket, currency, format)
    const point = { start: bucket.start, time: timeOf(bucket, stats.interval, format), value }
    const other = before?.[index]
    if (other === undefined) return point
    const compared = {
      start: other.start,
      time: timeOf(other, stats.interval, format),
      value: valueOf(figure, other, currency, format),
    }
    return { ...point, compared, change: changeOf(value, compared.value, format)?.text }
  })
}

function timeOf(bucket: Pick<Bucket, 'start'>, interval: Interval, format: Format): string {
  return format.bucket(bucket.start, interval)
}

/** The currencies that occur, and that of the project. */
export function currenciesOf(stats: Stats, own: string): string[] {
  const found = [...stats.totals.revenue, ...(stats.previous?.revenue ?? [])].map(({ currency }) => currency)
  return [...new Set([own, ...found])].toSorted()
}
