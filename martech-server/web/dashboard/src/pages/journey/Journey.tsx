import { useMemo } from 'react'
import { Link, Navigate } from 'react-router'
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
import { type JourneyEvent, useJourney, useLiveJourney, useSums } from './queries.ts'

export default function JourneyPage() {
  const userId = useUrl()[0].get('user')
  return userId === null ? <Navigate to="/users" replace /> : <Journey userId={userId} />
}

function Journey({ userId }: { userId: string }) {
  const { journey, common, users } = useTexts()
  const format = useFormat()
  const { project } = useProject()
  const path = usePath()
  const [params, setParams] = useUrl()
  const type = params.get('type') ?? ''
  const { data, error, refetch, fetchNextPage, hasNextPage, isFetchingNextPage } = useJourney(project.id, userId, type)
  const state = useLiveJourney(project.id, userId, type)

  const events = useMemo(
    () => (data?.pages.flatMap(({ events }) => events) ?? []).toSorted((a, b) => b.occurredAt.localeCompare(a.occurredAt)),
    [data],
  )
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
          <Live state={state} texts={common.live} />
        </>
      }
      controls={
        <>
          <FindUser />
          <TypeFilter value={type} onChoose={(chosen) => setParams({ type: chosen })} />
        </>
      }
      wide
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
          {type === '' ? (
            <div className="flex flex-col gap-4 wide:grid wide:grid-cols-2 wide:items-start wider:grid-cols-3">
              {sessions.map((session, index) => (
                <SessionCard
                  key={session.events.at(-1)?.eventId ?? index}
                  session={session}
                  open={hasNextPage && index === sessions.length - 1}
                />
              ))}
            </div>
          ) : (
            // Events of one type do not tell where a session begins.
            <Card>
              <Rows events={events} time={format.exactTime} />
            </Card>
          )}
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

function Sums({ project, userId }: { project: string; userId: string }) {
  const { users } = useTexts()
  const format = useFormat()
  const { data: sums, error } = useSums(project, userId)
  if (sums === null || (sums === undefined && error !== null)) return null
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
  const isOneDay = format.date(first.occurredAt) === format.date(last.occurredAt)
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
      <Rows events={session.events} time={isOneDay ? format.clock : format.exactTime} />
    </Card>
  )
}

function Rows({ events, time }: { events: readonly JourneyEvent[]; time(moment: string): string }) {
  const format = useFormat()
  const { project } = useProject()
  return events.map((event) => (
    <EventRow
      key={event.eventId}
      time={time(event.occurredAt)}
      type={event.type}
      summary={summaryOf(event.type, event.properties, project.currency, format)}
      json={event}
    />
  ))
}
