import { expect, test } from 'vitest'
import { de } from './de.ts'
import { en } from './en.ts'

/** All texts by their path. */
function flat(texts: object, before = ''): [path: string, text: unknown][] {
  return Object.entries(texts).flatMap(([key, value]: [string, unknown]) =>
    typeof value === 'object' && value !== null ? flat(value, `${before}${key}.`) : [[`${before}${key}`, value] as [string, unknown]],
  )
}

test('every text is translated', () => {
  // In English, the server's own messages stand.
  const [english, german] = [new Map(flat(en)), new Map(flat(de).filter(([path]) => !path.startsWith('errors.refusals.')))]
  expect([...german.keys()]).toEqual([...english.keys()])
  // These are the same word in both languages.
  const same =
    /^(nav\.apiDocs|account\.name|common\.live\.open|admin\.\w+\.name|admin\.projects\.server|admin\.members\.roles\.analyst|admin\.import\.title|admin\.system\.(title|server|version|journal|mongodb)|shortcuts\.keys\..*\.0)$/
  const untranslated = [...english].filter(([path, text]) => typeof text === 'string' && text === german.get(path) && !same.test(path))
  expect(untranslated).toEqual([])
})

test('one is not many', () => {
  for (const { admin, events } of [en, de]) {
    for (const text of [admin.projects.days, events.skipped]) expect(text('1')).not.toBe(text('2').replace('2', '1'))
  }
})
