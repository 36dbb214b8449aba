import { useState } from 'react'
import { Link } from 'react-router'
import { type StreamedEvent, useEventStream } from '../../api/stream.ts'
import { Button } from '../../components/Button.tsx'
import { Card } from '../../components/Card.tsx'
import { EventRow } from '../../components/EventRow.tsx'
import { Field } from '../../components/Field.tsx'
import { Icon } from '../../components/icons.tsx'
import { Live } from '../../components/Live.tsx'
import { Notice } from '../../components/states.tsx'
import { useUrl } from '../../lib/url.ts'
import { useUrlText } from '../../lib/useUrlText.ts'
import { summaryOf } from '../../lib/summary.ts'
import { useDebounced } from '../../lib/useDebounced.ts'
import { Page } from '../../session/Page.tsx'
import { useMay, usePath, useProject } from '../../session/project.tsx'
import { TypeFilter } from '../../session/TypeFilter.tsx'
import { useFormat, useTexts } from '../../texts/index.tsx'
import { Rejects } from './Rejects.tsx'

/** Older events leave the list. */
const KEPT = 300

export default function Events() {
  const { events: texts, filters } = useTexts()
  const [params, setParams] = useUrl()
  const [paused, setPaused] = useState(false)
  const mayAdminister = useMay('admin')
  const type = params.get('type') ?? ''
  const { text, edit, send } = useUrlText(params.get('userId') ?? '', (userId) => setParams({ userId }, true))
  const userId = useDebounced(text.trim(), 400)
  const controls = (
    <>
      <TypeFilter value={type} onChoose={(chosen) => setParams({ type: chosen }, true)} />
      <Field
        compact
        label={filters.user}
        placeholder={filters.user}
        value={text}
        maxLength={128}
        className="w-44"
        onChange={({ target }) => {
          edit(target.value)
          send(target.value)
        }}
      />
      <Button onClick={() => setPaused(!paused)} aria-pressed={paused}>
        <Icon name={paused ? 'play' : 'pause'} />
        {paused ? texts.resume : texts.pause}
      </Button>
    </>
  )
  return (
    <Page title={texts.title} controls={controls}>
      <div className={mayAdminister ? 'grid items-start gap-4 xl:grid-cols-[3fr_2fr]' : ''}>
        <Stream key={`${type} ${userId}`} type={type} userId={userId} paused={paused} />
        {mayAdminister && <Rejects />}
      </div>
    </Page>
  )
}

function Stream({ type, userId, paused }: { type: string; userId: string; paused: boolean }) {
  const { events: texts, common } = useTexts()
  const format = useFormat()
  const path = usePath()
  const mayAdminister = useMay('admin')
  const { project } = useProject()
  const [{ events, skipped }, set] = useState<{ events: StreamedEvent[]; skipped: number }>({ events: [], skipped: 0 })
  // While it is paused, the list stays as it is, and what comes waits.
  const [held, hold] = useState(events)
  if (!paused && held !== events) hold(events)
  const state = useEventStream(
    { project: project.id, type, userId },
    {
      onEvents: (came) => set(({ events, ...last }) => ({ ...last, events: [...came.toReversed(), ...events].slice(0, KEPT) })),
      onGap: (left) => set((last) => ({ ...last, skipped: last.skipped + left })),
    },
  )
  return (
    <Card title={texts.stream} actions={<Live state={paused ? 'paused' : state} texts={common.live} />}>
      {skipped > 0 && <p className="px-4 pb-2 text-sm text-muted">{texts.skipped(format.number(skipped))}</p>}
      {held.length === 0 ? (
        <Notice title={texts.waiting} hint={mayAdminister ? texts.waitingHintAdmin : texts.waitingHint} />
      ) : (
        <div role="log" aria-label={texts.stream} aria-live="off">
          {held.map((event) => (
            <EventRow
              key={event.eventId}
              time={format.clock(event.receivedAt)}
              type={event.type}
              user={
                <Link
                  to={path('/journey', { user: event.userId })}
                  className="max-w-56 truncate py-1.5 font-medium text-accent hover:underline"
                >
                  {event.userId}
                </Link>
              }
              summary={summaryOf(event.type, event.properties, project.currency, format)}
              json={event}
            />
          ))}
        </div>
      )}
    </Card>
  )
}
