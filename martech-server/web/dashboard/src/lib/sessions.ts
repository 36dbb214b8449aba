// Groups events by session, as the server counts them: by `sessionId`; without one, by runs with no gap over 30 minutes.

/** The part of an event that decides on its session. */
export interface Timed {
  occurredAt: string
  sessionId?: string | null
}

export const SESSION_GAP = 30 * 60_000

export interface Session<E> {
  /** The id, if the sender gave one. */
  id: string | undefined
  /** Newest first. */
  events: E[]
}

/**
 * Groups the events of one user, given newest first. The session with the newest event comes first.
 */
export function sessionsOf<E extends Timed>(events: readonly E[]): Session<E>[] {
  const sessions: Session<E>[] = []
  const byId = new Map<string, Session<E>>()
  let run: Session<E> | undefined
  for (const event of events) {
    const id = event.sessionId ?? undefined
    const known = id === undefined ? ofRun(run, event) : byId.get(id)
    const session = known ?? { id, events: [] }
    if (known === undefined) sessions.push(session)
    session.events.push(event)
    if (id === undefined) run = session
    else byId.set(id, session)
  }
  return sessions
}

function ofRun<E extends Timed>(run: Session<E> | undefined, event: E): Session<E> | undefined {
  const next = run?.events.at(-1)
  if (next === undefined) return undefined
  return Date.parse(next.occurredAt) - Date.parse(event.occurredAt) <= SESSION_GAP ? run : undefined
}
