import { expect, test } from 'vitest'
import { createFormat } from '../../lib/format.ts'
import { axisOf, changeOf, currenciesOf, pointsOf, valueOf } from './figures.ts'

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
  expect(axisOf('revenue', 'EUR', format)(1500)).toBe('€1.5K')
})

test('a change needs two figures', () => {
  const value = (number: number | null) => ({ number, text: '', raw: number })
  expect(changeOf(value(150), value(100), format)).toEqual({ text: '+50%', direction: 'up' })
  expect(changeOf(value(50), value(100), format)).toEqual({ text: '-50%', direction: 'down' })
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
  const points = pointsOf('orders', stats, 'EUR', format)
  expect(points.map(({ value, compared, change }) => [value.raw, compared?.value.raw, change])).toEqual([
    [3, 2, '+50%'],
    [4, undefined, undefined],
  ])
  expect(currenciesOf(stats, 'JPY')).toEqual(['EUR', 'JPY', 'USD'])
})
