// The language of the page, and the formats of its locale.

import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from 'react'
import { createFormat, type Format } from '../lib/format.ts'
import { readStored, writeStored } from '../lib/stored.ts'
import { en, type Texts } from './en.ts'

export const LANGUAGES = { en: 'English', de: 'Deutsch' } as const
export type Language = keyof typeof LANGUAGES

const load: Record<Language, () => Promise<Texts>> = {
  en: async () => en,
  de: async () => (await import('./de.ts')).de,
}

interface Spoken {
  language: Language
  texts: Texts
  locale: string
  choose(language: Language): void
}

const Context = createContext<Spoken | null>(null)

/** Loads the language that the user chose, or else the first one of the browser that there is. */
export async function loadTexts(): Promise<{ language: Language; texts: Texts }> {
  const wanted = [readStored('language'), ...navigator.languages.map((tag) => tag.split('-')[0])]
  const language = wanted.find((tag): tag is Language => tag !== null && tag !== undefined && tag in LANGUAGES) ?? 'en'
  return { language, texts: await load[language]() }
}

export function TextsProvider({ first, children }: { first: { language: Language; texts: Texts }; children: ReactNode }) {
  const [{ language, texts }, set] = useState(first)
  useEffect(() => {
    document.documentElement.lang = language
  }, [language])
  const value = useMemo(() => {
    // The region of the browser decides on formats: English in Britain writes other dates than in America.
    const locale = navigator.languages.find((tag) => tag.split('-')[0] === language) ?? language
    const choose = async (chosen: Language) => {
      set({ language: chosen, texts: await load[chosen]() })
      writeStored('language', chosen)
    }
    return { language, texts, locale, choose }
  }, [language, texts])
  return <Context value={value}>{children}</Context>
}

export function useLanguage(): Spoken {
  const spoken = useContext(Context)
  if (spoken === null) throw new Error('there is no TextsProvider')
  return spoken
}

export function useTexts(): Texts {
  return useLanguage().texts
}

const FormatContext = createContext<Format | null>(null)

/** Formats in a time zone, such as that of the project. */
export function FormatProvider({ timeZone, children }: { timeZone: string; children: ReactNode }) {
  const { locale } = useLanguage()
  const format = useMemo(() => createFormat(locale, timeZone), [locale, timeZone])
  return <FormatContext value={format}>{children}</FormatContext>
}

export function useFormat(): Format {
  const format = useContext(FormatContext)
  if (format === null) throw new Error('there is no FormatProvider')
  return format
}
