import { useEffect, useState } from 'react'

/** Returns a value once it has not changed for a moment, so that a request is not sent with each key. */
export function useDebounced<T>(value: T, millis = 250): T {
  const [settled, set] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => set(value), millis)
    return () => clearTimeout(timer)
  }, [value, millis])
  return settled
}
