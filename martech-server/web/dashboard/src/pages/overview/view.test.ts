import { expect, test } from 'vitest'
import { readView, writeView } from './view.ts'

const place = { timeZone: 'Europe/Berlin', now: new Date('2026-11-30T12:00:00Z'), firstDayOfWeek: 1 }
const read = (text: string) => readView(new URLSearchParams(text), place, 'EUR')

test('a URL holds the whole view', () => {
  const view = {
    range: { first: '2026-01-01', last: '2026-03-31' },
    interval: 'week',
    compare: 'previousYear',
    figure: 'orders',
    currency: 'USD',
    table: true,
  } as const
  const params = Object.entries(writeView(view)).filter((entry): entry is [string, string] => entry[1] !== null)
  expect(readView(new URLSearchParams(params), place, 'EUR')).toEqual(view)
})

test('defaults are removed, and other parameters are not touched', () => {
  expect(writeView({ figure: 'revenue', table: false, range: '30d' })).toEqual({
    figure: null,
    view: null,
    range: null,
    interval: null,
  })
})

test('what a URL cannot mean has its default', () => {
  expect(read('range=7d&interval=month&compare=x&figure=y')).toMatchObject({
    range: '7d',
    interval: 'day',
    compare: 'previousPeriod',
    figure: 'revenue',
    currency: 'EUR',
    table: false,
  })
})

test('another range forgets the interval, unless it is chosen with it', () => {
  expect(writeView({ range: '12m' })).toEqual({ range: '12m', interval: null })
  expect(writeView({ range: '12m', interval: 'week' })).toEqual({ range: '12m', interval: 'week' })
})
