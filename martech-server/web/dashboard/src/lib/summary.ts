// What an event is about, in a few words: the properties that reports use, by their names in the documentation.

import type { Format } from './format.ts'

const NAMES = {
  value: ['revenue', 'total', 'value'],
  page: ['page', 'path', 'url'],
  product: ['productId', 'product_id', 'sku', 'product'],
  search: ['query', 'q', 'search', 'term'],
} as const

/** `own` is the currency of amounts that name none: that of the project. */
export function summaryOf(type: string, properties: unknown, own: string, format: Pick<Format, 'money'>): string {
  if (typeof properties !== 'object' || properties === null) return ''
  const of = (fact: keyof typeof NAMES): string | undefined => {
    for (const name of NAMES[fact]) {
      const value: unknown = (properties as Record<string, unknown>)[name]
      if ((typeof value === 'string' && value !== '') || typeof value === 'number') return String(value)
    }
    return undefined
  }
  if (type === 'purchase') {
    const currency: unknown = (properties as Record<string, unknown>).currency
    const code = typeof currency === 'string' && currency !== '' ? currency.toUpperCase() : own
    const amount = of('value')
    return [amount !== undefined && isNumber(amount) ? format.money({ currency: code, amount }) : amount, of('product')]
      .filter(Boolean)
      .join(' · ')
  }
  if (type === 'search') return of('search') ?? ''
  return [of('product'), of('page')].filter(Boolean).join(' · ')
}

function isNumber(text: string): boolean {
  return text.trim() !== '' && Number.isFinite(Number(text))
}
