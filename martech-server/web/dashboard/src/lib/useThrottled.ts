import { useEffect, useRef } from 'react'

/** Returns a function that runs an action once in a while, however often it is called. */
export function useThrottled(millis: number): (action: () => void) => void {
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  useEffect(() => () => clearTimeout(timer.current), [])
  return (action) => {
    timer.current ??= setTimeout(() => {
      timer.current = undefined
      action()
    }, millis)
  }
}
