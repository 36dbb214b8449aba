import { expect, test } from 'vitest'
import { summaryOf } from './summary.ts'

test('says what an event is about', () => {
  expect(summaryOf('purchase', { total: '59.90', currency: 'EUR', productId: 'SKU-1' })).toBe('59.90 EUR · SKU-1')
  expect(summaryOf('search', { q: 'boots', page: '/search' })).toBe('boots')
  expect(summaryOf('page_view', { page: '/shoes' })).toBe('/shoes')
  expect(summaryOf('add_to_cart', { sku: 7, url: '/p/7' })).toBe('7 · /p/7')
  for (const nothing of [undefined, null, [], {}, { page: '' }]) expect(summaryOf('page_view', nothing)).toBe('')
})
