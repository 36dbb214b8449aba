import { expect, test } from 'vitest'
import { guess, mapOf, missing } from './mapping.ts'

test('columns are guessed by their names', () => {
  expect(guess(['order_id', 'Customer', 'ordered_at', 'amount', 'Currency', 'SKU', 'note'])).toEqual([
    'eventId',
    'userId',
    'occurredAt',
    'properties.total',
    'properties.currency',
    'properties.productId',
    'keep',
  ])
  expect(guess(['Bestellnummer', 'Kunde', 'Datum', 'Betrag'])).toEqual(['eventId', 'userId', 'occurredAt', 'properties.total'])
  expect(guess(['user_id', 'customer_id'])).toEqual(['userId', 'keep'])
})

test('a mapping names the column of each target', () => {
  expect(mapOf(['id', 'when', 'Unit Price', 'secret'], ['userId', 'occurredAt', 'keep', 'drop'])).toEqual({
    userId: 'id',
    occurredAt: 'when',
    'properties.Unit_Price': 'Unit Price',
  })
})

test('says what an event still needs', () => {
  expect(missing(['keep'], { type: '' })).toEqual(['userId', 'type', 'occurredAt'])
  expect(missing(['anonymousId', 'occurredAt'], { type: 'purchase' })).toEqual([])
})
