import { useQueryClient } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { Link, useParams } from 'react-router'
import { type StreamedEvent, useEventStream } from '../../api/stream.ts'
import { Button } from '../../components/Button.tsx'
import { Card } from '../../components/Card.tsx'
import { EventRow } from '../../components/EventRow.tsx'
import { Live } from '../../components/Live.tsx'
import { Notice, Skeleton } from '../../components/states.tsx'
import { sessionsOf, type Session } from '../../lib/sessions.ts'
import { useUrl } from '../../lib/url.ts'
import { summaryOf } from '../../lib/summary.ts'
import { Failure } from '../../session/Failure.tsx'
import { Page } from '../../session/Page.tsx'
import { usePath, useProject } from '../../session/project.tsx'
import { TypeFilter } from '../../session/TypeFilter.tsx'
import { useFormat, useTexts } from '../../texts/index.tsx'
import { FindUser } from './FindUser.tsx'
import { type JourneyEvent, useJourney, useSums } from './queries.ts'

export default function Journey() {
  const { userId = '' } = useParams()
  const { journey, common, users } = useTexts()
  const { project } = useProject()
  const path = usePath()
  const [params, setParams] = useUrl()
  const type = params.get('type') ?? ''
  const { data, error, refetch, fetchNextPage, hasNextPage, isFetchingNextPage } = useJourney(project.id, userId, type)
  const fresh = useFresh(project.id, userId, type)

  const events = useMemo(() => {
    const read = data?.pages.flatMap(({ events }) => events) ?? []
    const known = new Set(read.map(({ eventId }) => eventId))
    const live = fresh.events.filter(({ eventId }) => !known.has(eventId))
    return [...live, ...read].toSorted((a, b) => b.occurredAt.localeCompare(a.occurredAt))
  }, [data, fresh.events])
  const sessions = useMemo(() => sessionsOf(events), [events])

  const back = (
    <Link to={path('/users')} className="text-sm text-accent underline">
      {users.title}
    </Link>
  )
  return (
    <Page
      title={userId}
      beside={
        <>
          {back}
          <Live state={fresh.state} texts={common.live} />
        </>
      }
      controls={
        <>
          <FindUser />
          <TypeFilter value={type} onChoose={(chosen) => setParams({ type: chosen })} />
        </>
      }
    >
      <Sums project={project.id} userId={userId} />
      {error !== null && data === undefined ? (
        <Failure error={error} onRetry={() => void refetch()} />
      ) : data === undefined ? (
        <Skeleton className="h-96 w-full rounded-xl" />
      ) : events.length === 0 ? (
        <Notice title={journey.empty} hint={type === '' ? journey.emptyHint : journey.emptyType} />
      ) : (
        <div className="flex flex-col gap-4">
          {sessions.map((session, index) => (
            <SessionCard
              key={session.events.at(-1)?.eventId ?? index}
              session={session}
              open={hasNextPage && index === sessions.length - 1}
            />
          ))}
          {hasNextPage && (
            <Button className="self-center" busy={isFetchingNextPage} onClick={() => void fetchNextPage()}>
              {common.more}
            </Button>
          )}
        </div>
      )}
    </Page>
  )
}

/** The events that came since the page was opened. */
function useFresh(project: string, userId: string, type: string) {
  const queries = useQueryClient()
  const key = `${project} ${userId} ${type}`
  const [{ of, events }, set] = useState<{ of: string; events: StreamedEvent[] }>({ of: key, events: [] })
  const state = useEventStream({ project, userId, type }, false, (came) => {
    set((last) => ({ of: key, events: [...came.toReversed(), ...(last.of === key ? last.events : [])] }))
    void queries.invalidateQueries({ queryKey: ['sums', project, userId] })
  })
  return { state, events: of === key ? events : [] }
}

function Sums({ project, userId }: { project: string; userId: string }) {
  const { users } = useTexts()
  const format = useFormat()
  const { data: sums } = useSums(project, userId)
  if (sums === null) return null
  const rows: [string, string | undefined][] = [
    [users.firstSeen, sums && format.dateTime(sums.firstSeen)],
    [users.lastSeen, sums && format.dateTime(sums.lastSeen)],
    [users.events, sums && format.number(sums.events)],
    [users.sessions, sums && format.number(sums.sessions)],
    [users.orders, sums && format.number(sums.orders)],
    [users.revenue, sums && (sums.revenue.map((amount) => format.money(amount)).join(' + ') || format.number(0))],
  ]
  return (
    <dl className="mb-4 grid grid-cols-2 gap-x-6 gap-y-3 rounded-xl border border-line bg-surface p-4 sm:grid-cols-3 xl:grid-cols-6">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt className="text-xs text-muted">{name}</dt>
          <dd className="font-medium tabular-nums">{value ?? <Skeleton className="h-5 w-20" />}</dd>
        </div>
      ))}
    </dl>
  )
}

/** The events of a session. It is `open` if older events, which may belong to it, are not read yet. */
function SessionCard({ session, open }: { session: Session<JourneyEvent>; open: boolean }) {
  const { journey } = useTexts()
  const format = useFormat()
  const [last, first] = [session.events[0], session.events.at(-1)]
  if (last === undefined || first === undefined) return null
  const begin = format.dateTime(first.occurredAt)
  return (
    <Card
      title={journey.session(begin)}
      actions={
        <span className="text-xs text-muted">
          {journey.size(format.number(session.events.length), open)}
          {session.id !== undefined && ` · ${session.id}`}
        </span>
      }
    >
      {session.events.map((event) => (
        <EventRow
          key={event.eventId}
          time={format.clock(event.occurredAt)}
          type={event.type}
          summary={summaryOf(event.type, event.properties)}
          json={event}
        />
      ))}
    </Card>
  )
}
