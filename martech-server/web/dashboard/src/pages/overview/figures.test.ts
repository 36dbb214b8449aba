import { expect, test } from 'vitest'
import { createFormat } from '../../lib/format.ts'
import { axisOf, changeOf, currenciesOf, type Figure, pointsOf, valueOf } from './figures.ts'

const format = createFormat('en-US', 'UTC')
const money = (currency: string, amount: string) => [{ currency, amount }]
const totals = {
  events: 100,
  users: 40,
  newUsers: 10,
  sessions: 50,
  orders: 2,
  revenue: money('EUR', '90071992547409931.25'),
  averageOrderValue: money('EUR', '59.90'),
  revenuePerUser: money('EUR', '2.995'),
  conversion: 0.04,
}
const nothing = { events: 0, users: 0, newUsers: 0, sessions: 0, orders: 0, revenue: [], averageOrderValue: [], revenuePerUser: [] }

test('money is shown and saved as the server sends it', () => {
  expect(valueOf('revenue', totals, 'EUR', format)).toMatchObject({ text: '€90,071,992,547,409,931.25', raw: '90071992547409931.25' })
})

test('what is not known is not zero', () => {
  expect(valueOf('averageOrderValue', nothing, 'EUR', format)).toEqual({ number: null, text: '–', raw: null })
  expect(valueOf('conversion', nothing, 'EUR', format)).toEqual({ number: null, text: '–', raw: null })
  expect(valueOf('revenue', nothing, 'EUR', format).text).toBe('€0.00')
  expect(valueOf('revenue', totals, 'USD', format).text).toBe('$0.00')
})

test('counts and shares have their formats', () => {
  expect(valueOf('sessions', { ...totals, sessions: 12_345 }, 'EUR', format).text).toBe('12,345')
  expect(valueOf('conversion', totals, 'EUR', format).text).toBe('4%')
})

test('an axis has steps that can be told apart', () => {
  const labels = (figure: Figure, currency: string, values: number[]) => values.map(axisOf(figure, currency, format).label)
  expect(labels('revenue', 'EUR', [0.05, 1500, 15_000])).toEqual(['€0.05', '€1,500', '€15K'])
  expect(labels('revenue', 'JPY', [3])).toEqual(['¥3'])
  expect(axisOf('revenue', 'JPY', format).step).toBe(1)
  expect(axisOf('averageOrderValue', 'EUR', format).step).toBe(0.01)
  expect(axisOf('orders', 'EUR', format).step).toBe(1)
})

test('a change needs two figures', () => {
  const value = (number: number | null) => ({ number, text: '', raw: number })
  expect(changeOf(value(150), value(100), format)).toEqual({ text: '+50%', direction: 'up' })
  expect(changeOf(value(50), value(100), format)).toEqual({ text: '-50%', direction: 'down' })
  expect(changeOf(value(1004), value(1000), format)).toEqual({ text: '0%', direction: 'same' })
  expect(changeOf(value(100), value(100), format)).toEqual({ text: '0%', direction: 'same' })
  for (const [now, before] of [[1, 0], [1, null], [null, 1]] as const) expect(changeOf(value(now), value(before), format)).toBeUndefined()
})

test('buckets stand beside those of the compared period', () => {
  const bucket = (start: string, orders: number) => ({ ...nothing, start, orders, byType: {} })
  const stats = {
    from: '',
    to: '',
    tz: 'UTC',
    interval: 'day' as const,
    totals,
    byType: [],
    top: { pages: [], products: [], searches: [] },
    series: [bucket('2026-11-29T00:00:00Z', 3), bucket('2026-11-30T00:00:00Z', 4)],
    previous: { ...totals, revenue: money('USD', '1'), from: '', to: '', series: [bucket('2026-11-27T00:00:00Z', 2)] },
  }
  const points = pointsOf('orders', stats, 'EUR', true, format)
  expect(points.map(({ value, compared, change }) => [value.raw, compared?.value.raw, change])).toEqual([
    [3, 2, '+50%'],
    [4, undefined, undefined],
  ])
  expect(points.map(({ isPartial }) => isPartial)).toEqual([false, true])
  expect(currenciesOf(stats, 'JPY', 'CHF')).toEqual(['CHF', 'EUR', 'JPY', 'USD'])
})

test('parts of weeks are not compared, and no week of either period is left out', () => {
  const week = (start: string, orders: number) => ({ ...nothing, start: `${start}T00:00:00Z`, orders, byType: {} })
  const stats = {
    from: '2026-11-03T00:00:00Z',
    to: '2026-11-17T00:00:00Z',
    tz: 'UTC',
    interval: 'week' as const,
    totals,
    byType: [],
    top: { pages: [], products: [], searches: [] },
    series: [week('2026-11-02', 6), week('2026-11-09', 7), week('2026-11-16', 1)],
    previous: {
      ...totals,
      from: '2026-10-20T00:00:00Z',
      to: '2026-11-03T00:00:00Z',
      series: [week('2026-10-19', 3), week('2026-10-26', 14), week('2026-11-02', 1), week('2026-11-09', 0)],
    },
  }
  const points = pointsOf('orders', stats, 'EUR', false, format)
  expect(points.map(({ value, isPartial, compared, change }) => [value.raw, isPartial, compared?.value.raw, change])).toEqual([
    [6, true, 3, undefined],
    [7, false, 14, '-50%'],
    [1, true, 1, undefined],
    [null, false, 0, undefined],
  ])
})
