import { useSearchParams } from 'react-router'

/** The parameters of the URL, and how to change them. `null` removes one. */
export function useUrl(): [URLSearchParams, (change: Record<string, string | null>, replace?: boolean) => void] {
  const [params, setParams] = useSearchParams()
  const change = (changes: Record<string, string | null>, replace = false) => {
    // The page may not have been drawn since the last change, so the address itself counts.
    const next = new URLSearchParams(location.search)
    for (const [name, value] of Object.entries(changes)) {
      if (value === null || value === '') next.delete(name)
      else next.set(name, value)
    }
    setParams(next, { replace, preventScrollReset: true })
  }
  return [params, change]
}
