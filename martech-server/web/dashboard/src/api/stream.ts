// Events as the server stores them.

import { useEffect, useEffectEvent, useState } from 'react'
import type { StreamState } from '../components/Live.tsx'
import type { Schema } from './client.ts'

export type StreamedEvent = Schema<'UserEvent'>

interface Stream {
  project: string
  userId?: string
  type?: string
}


/** How often events go to the page. A busy shop has more of them than a page can draw one by one. */
const PERIOD = 250
const RETRY = 5_000

/** Calls back with the events that come, and with the number of those that the server left out. */
export function useEventStream(
  { project, userId, type }: Stream,
  paused: boolean,
  onEvents: (events: StreamedEvent[], skipped: number) => void,
): StreamState {
  const [isOpen, setOpen] = useState(false)
  const [attempt, setAttempt] = useState(0)
  const report = useEffectEvent(onEvents)
  useEffect(() => {
    if (paused) return
    const query = new URLSearchParams({ project, ...(userId && { userId }), ...(type && { type }) })
    const source = new EventSource(`/events/stream?${query}`)
    let [events, skipped]: [StreamedEvent[], number] = [[], 0]
    source.addEventListener('open', () => setOpen(true))
    let retry: ReturnType<typeof setTimeout> | undefined
    source.addEventListener('error', () => {
      setOpen(false)
      // Browsers connect again after a lost connection, but not after an answer such as 429 or 401.
      if (source.readyState === EventSource.CLOSED) retry = setTimeout(() => setAttempt((attempt) => attempt + 1), RETRY)
    })
    source.addEventListener('event', ({ data }) => events.push(JSON.parse(data) as StreamedEvent))
    source.addEventListener('skipped', ({ data }) => {
      skipped += (JSON.parse(data) as { events: number }).events
    })
    const timer = setInterval(() => {
      if (events.length === 0 && skipped === 0) return
      report(events, skipped)
      ;[events, skipped] = [[], 0]
    }, PERIOD)
    return () => {
      clearInterval(timer)
      clearTimeout(retry)
      source.close()
      setOpen(false)
    }
    // Another attempt makes another connection.
    // oxlint-disable-next-line react/exhaustive-effect-dependencies
  }, [project, userId, type, paused, attempt])
  return paused ? 'paused' : isOpen ? 'open' : 'connecting'
}
