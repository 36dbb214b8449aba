import { expect, test } from 'vitest'
import { doubled, dropsOf, guess, guessNotation, guessTimeFormat, mapOf, missing } from './mapping.ts'

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

test('formats are guessed by the first values', () => {
  expect(guessNotation(['59,90', '1.210,00 €', ''])).toBe('comma')
  expect(guessNotation(['1,210.00', '59.90'])).toBe('point')
  expect(guessNotation(['1,210', '5'])).toBe('point')
  expect(guessTimeFormat(['22.11.2026 10:20', 'never'])).toBe('%d.%m.%Y %H:%M')
  expect(guessTimeFormat(['1.2.2026'])).toBe('%d.%m.%Y')
  expect(guessTimeFormat(['1.2.2026 9:05:07'])).toBe('%d.%m.%Y %H:%M:%S')
  expect(guessTimeFormat(['2026-11-22 10:15', '11/12/2026', ''])).toBe('')
})

test('a mapping names the column of each target', () => {
  expect(mapOf(['id', 'when', 'Unit Price', 'secret'], ['userId', 'occurredAt', 'keep', 'drop'])).toEqual({
    userId: 'id',
    occurredAt: 'when',
    'properties.Unit_Price': 'Unit Price',
  })
})

test('what is left out is named, properties of JSON as a whole', () => {
  const columns = ['userId', 'sessionId', 'properties.cart.id', 'properties.cart.total', 'a.b']
  const targets = ['userId', 'drop', 'drop', 'properties.total', 'drop'] as const
  expect(dropsOf(columns, targets, true)).toEqual(['sessionId', 'properties.cart', 'a.b'])
  expect(dropsOf(columns, targets, false)).toEqual(['sessionId', 'properties.cart.id', 'a.b'])
})

test('properties that the server exports stay what they are', () => {
  const table = ['eventId', 'userId', 'type', 'occurredAt', 'receivedAt', 'sessionId', 'anonymousId', 'properties']
  expect(mapOf(table, guess(table))).toEqual({
    eventId: 'eventId',
    userId: 'userId',
    type: 'type',
    occurredAt: 'occurredAt',
    sessionId: 'sessionId',
    anonymousId: 'anonymousId',
    properties: 'properties',
  })
  const members = ['userId', 'properties.page', 'properties.cart.total', 'properties.', 'property.page']
  expect(mapOf(members, guess(members))).toEqual({
    userId: 'userId',
    'properties.page': 'properties.page',
    'properties.cart.total': 'properties.cart.total',
    'properties.properties_': 'properties.',
    'properties.property_page': 'property.page',
  })
})

test('says which columns fill the same place', () => {
  const columns = ['id', 'customer', 'Unit Price', 'Unit.Price', 'total', 'properties.total', 'secret', 'secret']
  expect([...doubled(columns, ['userId', 'userId', 'keep', 'keep', 'properties.total', 'keep', 'drop', 'drop'])]).toEqual([0, 1, 2, 3, 4, 5])
  expect([...doubled(columns, ['userId', 'eventId', 'keep', 'drop', 'properties.total', 'drop', 'keep', 'drop'])]).toEqual([])
})

test('says what an event still needs', () => {
  expect(missing(['keep'], { type: '' })).toEqual(['userId', 'type', 'occurredAt'])
  expect(missing(['anonymousId', 'occurredAt'], { type: 'purchase' })).toEqual([])
})
