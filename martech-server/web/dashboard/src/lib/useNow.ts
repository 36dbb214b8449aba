import { useEffect, useState } from 'react'

/** The time of now, to the minute. */
export function useNow(): Date {
  const [now, set] = useState(() => new Date())
  useEffect(() => {
    const timer = setInterval(() => set(new Date()), 60_000)
    return () => clearInterval(timer)
  }, [])
  return now
}
