// Which column of a file fills which part of an event.

/** Fields of an event that a column can fill. */
export const FIELDS = ['userId', 'anonymousId', 'type', 'occurredAt', 'eventId', 'sessionId'] as const
/** Properties that figures use. */
export const FACTS = ['total', 'currency', 'productId', 'page', 'query'] as const

/** `keep` makes a property of the name of the column, `drop` leaves the column out. */
export type Target = (typeof FIELDS)[number] | `properties.${(typeof FACTS)[number]}` | 'keep' | 'drop'

export const TARGETS: readonly Target[] = [...FIELDS, ...FACTS.map((fact) => `properties.${fact}` as const), 'keep', 'drop']

const GUESSES: readonly (readonly [Target, RegExp])[] = [
  ['userId', /^(user|customer|kunden?|client|member)(id|nr|nummer|number|email)?$|^(e?mail|email)$/],
  ['anonymousId', /^(anonymous|visitor|device|besucher)(id)?$/],
  ['type', /^(event)?(type|name)$|^event$/],
  ['occurredAt', /^(occurredat|time|timestamp|date|datetime|datum|zeit|createdat|(ordered|purchased|placed)(at|on)?|orderdate|bestelldatum)$/],
  ['eventId', /^(event|order|transaction|bestell(ung)?)(id|nr|nummer|number)$/],
  ['sessionId', /^(session|visit|sitzung)(id)?$/],
  ['properties.total', /^(total|revenue|value|amount|sum|betrag|summe|umsatz|gesamt)(price|amount|value)?$/],
  ['properties.currency', /^(currency|waehrung|währung)(code)?$/],
  ['properties.productId', /^(product|item|artikel|produkt)(id|nr|nummer|number)?$|^sku$/],
  ['properties.page', /^(page|path|url|seite)$/],
  ['properties.query', /^(query|search|term|searchterm|suche|suchbegriff)$/],
]

/** Guesses the targets of columns by their names. Each target but the last two is guessed once. */
export function guess(columns: readonly string[]): Target[] {
  const taken = new Set<Target>()
  return columns.map((column) => {
    const name = column.toLowerCase().replaceAll(/[\s_.-]+/g, '')
    const target = GUESSES.find(([target, names]) => !taken.has(target) && names.test(name))?.[0] ?? 'keep'
    taken.add(target)
    return target
  })
}

/** The mapping as the server takes it: the target of each column that is kept. */
export function mapOf(columns: readonly string[], targets: readonly Target[]): Record<string, string> {
  const pairs = columns.flatMap((column, index) => {
    const target = targets[index]
    if (target === undefined || target === 'drop') return []
    return [[target === 'keep' ? `properties.${propertyName(column)}` : target, column] as const]
  })
  return Object.fromEntries(pairs)
}

/** A dot in the path of a property begins an object inside of it. */
function propertyName(column: string): string {
  return column.trim().replaceAll(/[.\s]+/g, '_')
}

/** What is missing for an event: each needs a user, a type and a time. */
export function missing(targets: readonly Target[], constants: { type: string }): ('userId' | 'type' | 'occurredAt')[] {
  const has = (target: Target) => targets.includes(target)
  return [
    ...(has('userId') || has('anonymousId') ? [] : (['userId'] as const)),
    ...(has('type') || constants.type !== '' ? [] : (['type'] as const)),
    ...(has('occurredAt') ? [] : (['occurredAt'] as const)),
  ]
}
