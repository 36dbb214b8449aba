// Events as the server stores them.

import { useQueryClient } from '@tanstack/react-query'
import { useEffect, useEffectEvent, useState } from 'react'
import type { StreamState } from '../components/Live.tsx'
import type { Schema } from './client.ts'

export type StreamedEvent = Schema<'UserEvent'>

interface Stream {
  project: string
  userId?: string
  type?: string
}

interface Listener {
  /** Receives the events that come. */
  onEvents(events: StreamedEvent[]): void
  /** Events may be missing: the connection was lost, or the server left out so many. */
  onGap?(skipped: number): void
}

/** How often events go to the page. A busy shop has more of them than a page can draw one by one. */
const PERIOD = 250
const RETRY = 5_000
/** How long a page that nobody sees keeps its stream. Browsers open only six connections to a server without TLS. */
const HIDDEN = 5 * 60_000

/** Listens to the events of a project as they are stored. Returns the state of the connection. */
export function useEventStream({ project, userId, type }: Stream, { onEvents, onGap }: Listener): StreamState {
  const queries = useQueryClient()
  const [state, setState] = useState<StreamState>('connecting')
  const [attempt, setAttempt] = useState(0)
  const isHidden = useHidden()
  const report = useEffectEvent(onEvents)
  const miss = useEffectEvent((skipped: number) => onGap?.(skipped))
  // The answer that refused the stream cannot be read. If the session has ended, the page asks for the password.
  const onRefused = useEffectEvent(() => void queries.invalidateQueries({ queryKey: ['session'] }))
  useEffect(() => {
    if (isHidden) return
    const query = new URLSearchParams({ project, ...(userId && { userId }), ...(type && { type }) })
    const source = new EventSource(`/events/stream?${query}`)
    let [events, skipped]: [StreamedEvent[], number] = [[], 0]
    let retry: ReturnType<typeof setTimeout> | undefined
    // Another attempt follows a refusal.
    let wasLost = attempt > 0
    source.addEventListener('open', () => {
      setState('open')
      if (wasLost) miss(0)
      wasLost = false
    })
    source.addEventListener('error', () => {
      wasLost = true
      // Browsers connect again after a lost connection, but not after an answer such as 429 or 401.
      const isRefused = source.readyState === EventSource.CLOSED
      setState(isRefused ? 'refused' : 'connecting')
      if (!isRefused) return
      onRefused()
      retry = setTimeout(() => setAttempt((attempt) => attempt + 1), RETRY)
    })
    source.addEventListener('event', ({ data }) => events.push(JSON.parse(data) as StreamedEvent))
    source.addEventListener('skipped', ({ data }) => {
      skipped += (JSON.parse(data) as { events: number }).events
    })
    const flush = () => {
      if (events.length > 0) report(events)
      if (skipped > 0) miss(skipped)
      ;[events, skipped] = [[], 0]
    }
    const timer = setInterval(flush, PERIOD)
    return () => {
      flush()
      clearInterval(timer)
      clearTimeout(retry)
      source.close()
      setState('connecting')
    }
  }, [project, userId, type, attempt, isHidden])
  return state
}

/** Whether nobody has seen the page for a while. */
function useHidden(): boolean {
  const [isHidden, set] = useState(false)
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    const onChange = () => {
      clearTimeout(timer)
      if (document.hidden) timer = setTimeout(() => set(true), HIDDEN)
      else set(false)
    }
    document.addEventListener('visibilitychange', onChange)
    return () => {
      clearTimeout(timer)
      document.removeEventListener('visibilitychange', onChange)
    }
  }, [])
  return isHidden
}
