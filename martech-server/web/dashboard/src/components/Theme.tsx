// Light and dark.

import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from 'react'
import { readStored, writeStored } from '../lib/stored.ts'
import { useMatches } from '../lib/useMatches.ts'

export const THEMES = ['system', 'light', 'dark'] as const
export type Theme = (typeof THEMES)[number]

interface Chosen {
  theme: Theme
  /** What is shown. */
  shown: 'light' | 'dark'
  choose(theme: Theme): void
}

const Context = createContext<Chosen | null>(null)

export function ThemeProvider({ children }: { children: ReactNode }) {
  const [theme, set] = useState<Theme>(() => THEMES.find((theme) => theme === readStored('theme')) ?? 'system')
  const isDark = useMatches('(prefers-color-scheme: dark)')
  const shown = theme === 'system' ? (isDark ? 'dark' : 'light') : theme
  useEffect(() => {
    document.documentElement.dataset.theme = shown
  }, [shown])
  const value = useMemo(() => {
    const choose = (chosen: Theme) => {
      set(chosen)
      writeStored('theme', chosen === 'system' ? null : chosen)
    }
    return { theme, shown, choose }
  }, [theme, shown])
  return <Context value={value}>{children}</Context>
}

export function useTheme(): Chosen {
  const chosen = useContext(Context)
  if (chosen === null) throw new Error('there is no ThemeProvider')
  return chosen
}
