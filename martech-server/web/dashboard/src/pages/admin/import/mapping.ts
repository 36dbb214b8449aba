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
  // The server gives every event the time at which it arrives.
  ['drop', /^receivedat$/],
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

/** Formats of times that the server does not read by itself, as the page offers them. */
export const TIME_FORMATS = [
  '%d.%m.%Y',
  '%d.%m.%Y %H:%M',
  '%d.%m.%Y %H:%M:%S',
  '%m/%d/%Y',
  '%m/%d/%Y %H:%M',
  '%d/%m/%Y',
  '%d/%m/%Y %H:%M',
  'unix',
] as const

const DOTTED_DATE = /^\d{1,2}\.\d{1,2}\.\d{4}( \d{1,2}:\d{2}(:\d{2})?)?$/

/** Guesses the format of times. A date with slashes may be of either kind. */
export function guessTimeFormat(times: readonly string[]): (typeof TIME_FORMATS)[number] | '' {
  const lengths = times.flatMap((time) => DOTTED_DATE.exec(time.trim())?.[0].split(/[ :]/).length ?? [])
  if (lengths.length === 0) return ''
  const longest = Math.max(...lengths)
  return longest === 1 ? '%d.%m.%Y' : longest === 3 ? '%d.%m.%Y %H:%M' : '%d.%m.%Y %H:%M:%S'
}

/** Guesses whether a comma or a point separates the decimals of amounts. */
export function guessNotation(amounts: readonly string[]): 'point' | 'comma' {
  const has = (pattern: RegExp) => amounts.some((amount) => pattern.test(amount))
  return has(/,\d{1,2}(?!\d)/) && !has(/\.\d{1,2}(?!\d)/) ? 'comma' : 'point'
}

/** The mapping as the server takes it: the target of each column that is kept. */
export function mapOf(columns: readonly string[], targets: readonly Target[]): Record<string, string> {
  const paths = pathsOf(columns, targets)
  return Object.fromEntries(columns.flatMap((column, index) => (paths[index] === undefined ? [] : [[paths[index], column]])))
}

/**
 * What the server leaves out. Of a JSON object it takes the fields and the properties of an event even if nothing maps
 * them, and it drops properties as a whole: those of their members that are kept are mapped.
 */
export function dropsOf(columns: readonly string[], targets: readonly Target[], isJson: boolean): string[] {
  const dropped = columns.filter((_, index) => targets[index] === 'drop')
  return isJson ? [...new Set(dropped.map((path) => path.replace(/^(properties\.[^.]+)\..*$/, '$1')))] : dropped
}

/** The place in an event that each column fills, or `undefined` for one that is left out. */
function pathsOf(columns: readonly string[], targets: readonly Target[]): (string | undefined)[] {
  return columns.map((column, index) => {
    const target = targets[index]
    return target === 'drop' ? undefined : target === 'keep' ? propertyPath(column) : target
  })
}

/** Columns that the server itself exports are properties already. In other names, a dot would begin an object. */
function propertyPath(column: string): string {
  return /^properties(\.[^.]+)*$/.test(column) ? column : `properties.${column.trim().replaceAll(/[.\s]+/g, '_')}`
}

/** The columns, by their index, that fill the same place as another one. An event has each place once. */
export function doubled(columns: readonly string[], targets: readonly Target[]): ReadonlySet<number> {
  const paths = pathsOf(columns, targets)
  const isDoubled = (path: string | undefined) => path !== undefined && paths.indexOf(path) !== paths.lastIndexOf(path)
  return new Set(paths.flatMap((path, index) => (isDoubled(path) ? [index] : [])))
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
