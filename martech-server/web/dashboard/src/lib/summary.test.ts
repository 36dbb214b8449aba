import { expect, test } from 'vitest'
import { createFormat } from './format.ts'
import { summaryOf } from './summary.ts'

const format = createFormat('de-DE', 'UTC')
const summary = (type: string, properties: unknown) => summaryOf(type, properties, 'JPY', format).replaceAll(/\s/g, ' ')

test('says what an event is about', () => {
  expect(summary('purchase', { total: '59.90', currency: 'eur', productId: 'SKU-1' })).toBe('59,90 € · SKU-1')
  expect(summary('purchase', { total: 1200 })).toBe('1.200 ¥')
  expect(summary('purchase', { total: 'free' })).toBe('free')
  expect(summary('search', { q: 'boots', page: '/search' })).toBe('boots')
  expect(summary('page_view', { page: '/shoes' })).toBe('/shoes')
  expect(summary('add_to_cart', { sku: 7, url: '/p/7' })).toBe('7 · /p/7')
  for (const nothing of [undefined, null, [], {}, { page: '' }]) expect(summary('page_view', nothing)).toBe('')
})
