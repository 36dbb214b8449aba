// Whether the session ended while the page was in use. The page then asks for the password and goes on.

import { useSyncExternalStore } from 'react'

let ended = false
const listeners = new Set<() => void>()

function set(value: boolean): void {
  if (ended === value) return
  ended = value
  for (const listener of listeners) listener()
}

export const endSession = (): void => set(true)
export const resumeSession = (): void => set(false)

export function useSessionEnded(): boolean {
  return useSyncExternalStore(subscribe, () => ended)
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}
