import { describe, expect, test } from 'vitest'
import { change, createFormat } from './format.ts'

const english = createFormat('en-US', 'America/New_York')
const german = createFormat('de-DE', 'Europe/Berlin')
const plain = (text: string) => text.replaceAll(/\s/g, ' ')

describe('formats', () => {
  test('show money with the decimals of its currency, exactly', () => {
    expect(english.money({ currency: 'EUR', amount: '1234.50' })).toBe('€1,234.50')
    expect(plain(german.money({ currency: 'EUR', amount: '1234.50' }))).toBe('1.234,50 €')
    expect(english.money({ currency: 'JPY', amount: '1234' })).toBe('¥1,234')
    expect(english.money({ currency: 'USD', amount: '90071992547409931.25' })).toBe('$90,071,992,547,409,931.25')
    expect(english.money({ currency: 'USDT', amount: '12.5' })).toBe('12.50 USDT')
    expect(english.money({ currency: 'USD', amount: '1234567' }, 'compact')).toBe('$1.2M')
  })

  test('show times in the time zone of the project', () => {
    const midnight = '2026-11-30T00:00:00+01:00'
    expect(german.bucket(midnight, 'day')).toBe('Mo., 30. Nov. 2026')
    expect(english.bucket(midnight, 'month')).toBe('November 2026')
    expect(english.date(midnight)).toBe('Nov 29, 2026')
  })

  test('show how long ago something was', () => {
    const now = new Date('2026-11-30T12:00:00Z')
    expect(english.ago('2026-11-30T11:57:00Z', now)).toBe('3 minutes ago')
    expect(german.ago('2026-11-29T12:00:00Z', now)).toBe('gestern')
  })

  test('show sizes', () => {
    expect(english.bytes(0)).toBe('0 byte')
    expect(english.bytes(1_500_000)).toBe('1.5 MB')
  })

  test('know no change from nothing', () => {
    expect(change(3, 2)).toBe(0.5)
    expect(change(3, 0)).toBeUndefined()
    expect(change(undefined, 2)).toBeUndefined()
  })
})
