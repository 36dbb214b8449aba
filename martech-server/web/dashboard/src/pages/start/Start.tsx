import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useEffect, useEffectEvent, useRef, useState } from 'react'
import { Link, useNavigate } from 'react-router'
import { answer, client } from '../../api/client.ts'
import { type StreamedEvent, useEventStream } from '../../api/stream.ts'
import { Button } from '../../components/Button.tsx'
import { Card } from '../../components/Card.tsx'
import { Code } from '../../components/Code.tsx'
import { Copy } from '../../components/Copy.tsx'
import { Field } from '../../components/Field.tsx'
import { Icon } from '../../components/icons.tsx'
import { Live } from '../../components/Live.tsx'
import { Confirm } from '../../session/Confirm.tsx'
import { FormFailure } from '../../session/Failure.tsx'
import { Page } from '../../session/Page.tsx'
import { useMay, usePath, useProject } from '../../session/project.tsx'
import { useMayOnServer } from '../../session/session.tsx'
import { useFormat, useTexts } from '../../texts/index.tsx'
import { useKeyChanges, useKeys } from '../admin/keys/queries.ts'
import { RejectItem, useRejects } from '../events/Rejects.tsx'
import { SNIPPETS, VISITOR } from './snippets.ts'

export default function Start() {
  const { start } = useTexts()
  const mayOwnServer = useMayOnServer('owner')
  return (
    <Page title={start.title}>
      <div className="grid items-start gap-4 xl:grid-cols-[3fr_2fr]">
        <Snippets />
        <div className="flex flex-col gap-4">
          <Arrival />
          <Place />
          {mayOwnServer && <SampleShop />}
        </div>
      </div>
    </Page>
  )
}

function Snippets() {
  const { start, common } = useTexts()
  const mayAdminister = useMay('admin')
  const { project } = useProject()
  const [name, setName] = useState(SNIPPETS[0]?.name)
  const [keys, setKeys] = useState<{ server?: string; page?: string }>({})
  useFirstKey(mayAdminister, (server) => setKeys((keys) => ({ ...keys, server })))
  const snippet = SNIPPETS.find((snippet) => snippet.name === name)
  if (snippet === undefined) return null
  const secret = snippet.isPage ? keys.page : keys.server
  const code = snippet.code(location.origin, secret ?? start.placeholder)
  const text = snippet.isPage ? `${VISITOR}\n${code}` : code
  return (
    <Card title={start.snippets}>
      <div className="flex flex-col gap-4 p-4 pt-1">
        <div role="group" aria-label={start.snippets} className="flex flex-wrap gap-1">
          {SNIPPETS.map(({ name: other }) => (
            <Button key={other} look={other === name ? 'primary' : 'plain'} aria-pressed={other === name} onClick={() => setName(other)}>
              {other}
            </Button>
          ))}
        </div>
        {mayAdminister &&
          (secret === undefined ? (
            <MakeKey
              key={String(snippet.isPage)}
              isPage={snippet.isPage}
              project={project.id}
              onMade={(key) => setKeys(snippet.isPage ? { ...keys, page: key } : { ...keys, server: key })}
            />
          ) : (
            <p className="flex items-center gap-2 text-sm text-good">
              <Icon name="check" />
              {start.keyMade}
            </p>
          ))}
        <Code label={snippet.name} className="p-4 leading-5">
          {text}
        </Code>
        {!mayAdminister && <p className="text-sm text-muted">{start.askAdmin}</p>}
        <div className="flex flex-wrap items-center justify-between gap-2">
          <p className="text-sm text-muted">{snippet.isPage ? start.pageHint : start.serverHint}</p>
          <Copy text={text} label={common.copy} done={common.copied} failed={common.notCopied} />
        </div>
      </div>
    </Card>
  )
}

/** Makes a key for a project that has none, so that a new shop only has to copy. */
function useFirstKey(mayAdminister: boolean, onMade: (key: string) => void) {
  const { start } = useTexts()
  const { project } = useProject()
  const { data } = useKeys(project.id, mayAdminister)
  const { create } = useKeyChanges(project.id)
  const isAsked = useRef(false)
  const make = useEffectEvent(() => {
    if (isAsked.current) return
    isAsked.current = true
    create.mutate({ name: start.serverKeyName, kind: 'write' }, { onSuccess: ({ key }) => onMade(key) })
  })
  const hasNone = data?.keys.length === 0
  useEffect(() => {
    if (hasNone) make()
  }, [hasNone])
}

/** Makes a key for the snippets: a secret one for servers, or one that pages of an origin may use. */
function MakeKey({ isPage, project, onMade }: { isPage: boolean; project: string; onMade(key: string): void }) {
  const { start } = useTexts()
  const { create } = useKeyChanges(project)
  const [origin, setOrigin] = useState(location.origin)
  const make = () =>
    create.mutate(
      { name: isPage ? start.pageKeyName : start.serverKeyName, kind: 'write', origins: isPage ? [origin.trim()] : [] },
      { onSuccess: ({ key }) => onMade(key) },
    )
  return (
    <div className="flex flex-col gap-3">
      <FormFailure error={create.error ?? undefined} />
      <div className="flex flex-wrap items-end gap-3">
        {isPage && (
          <Field label={start.origin} value={origin} onChange={({ target }) => setOrigin(target.value)} className="grow" />
        )}
        <Button look="primary" busy={create.isPending} onClick={make}>
          {start.makeKey}
        </Button>
      </div>
    </div>
  )
}

/** Turns green when an event comes. It also shows what was rejected meanwhile. */
function Arrival() {
  const { start, common } = useTexts()
  const { project } = useProject()
  const mayAdminister = useMay('admin')
  const [event, setEvent] = useState<StreamedEvent>()
  const [since] = useState(() => Date.now())
  const state = useEventStream({ project: project.id }, { onEvents: (events) => setEvent(events.at(-1)) })
  return (
    <Card title={start.arrival} actions={<Live state={state} texts={common.live} />} className={event === undefined ? '' : 'border-good'}>
      <div className="flex flex-col gap-3 p-4 pt-1 text-sm">
        <p role="status" className={event === undefined ? 'text-muted' : 'flex items-center gap-2 text-base font-semibold text-good'}>
          {event !== undefined && <Icon name="check" className="size-5" />}
          {event === undefined ? start.waiting : start.arrived}
        </p>
        {event !== undefined && <Arrived event={event} />}
      </div>
      {mayAdminister && <Refused since={event === undefined ? since : Date.parse(event.receivedAt)} />}
    </Card>
  )
}

/** In which time zone and currency the figures of the project are. */
function Place() {
  const { start, admin } = useTexts()
  const { project } = useProject()
  const path = usePath()
  const mayAdminister = useMay('admin')
  return (
    <p className="px-4 text-sm text-muted">
      {start.place(project.timeZone, project.currency)}{' '}
      {mayAdminister && (
        <Link to={path('/admin/projects')} className="text-accent underline">
          {admin.projects.title}
        </Link>
      )}
    </p>
  )
}

function Arrived({ event }: { event: StreamedEvent }) {
  const { start, nav } = useTexts()
  const format = useFormat()
  const path = usePath()
  return (
    <>
      <p>{start.what(event.type, event.userId, format.clock(event.receivedAt))}</p>
      <p className="flex flex-wrap gap-4">
        <Link to={path('/journey', { user: event.userId })} className="text-accent underline">
          {start.journey}
        </Link>
        <Link to={path('/')} className="text-accent underline">
          {nav.overview}
        </Link>
      </p>
    </>
  )
}

function Refused({ since }: { since: number }) {
  const { start } = useTexts()
  const { project } = useProject()
  const { data } = useRejects(project.id, 2_000)
  const last = data?.rejects.find(({ lastAt }) => Date.parse(lastAt) >= since)
  if (last === undefined) return null
  return (
    <div role="alert">
      <p className="px-4 pb-2 text-sm font-medium text-bad">{start.refused}</p>
      <ul>
        <RejectItem reject={last} />
      </ul>
    </div>
  )
}

const SAMPLE = 'sample'

/** A project with three months of a made-up shop. */
function SampleShop() {
  const { start } = useTexts()
  const queries = useQueryClient()
  const navigate = useNavigate()
  const { project, projects } = useProject()
  const exists = projects.some(({ id }) => id === SAMPLE)
  const [isAsking, setAsking] = useState(false)
  const create = useMutation({
    mutationFn: () => answer(client.POST('/admin/sample-shop')),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ['projects'] })
      await navigate(`/?project=${SAMPLE}`)
    },
  })
  const remove = useMutation({
    mutationFn: () =>
      answer(client.DELETE('/admin/projects/{id}', { params: { path: { id: SAMPLE }, query: { events: 'delete' } } })),
    onSuccess: async () => {
      if (project.id === SAMPLE) await navigate('/start?project=default')
      await queries.invalidateQueries()
    },
  })
  return (
    <Card title={start.sample}>
      <div className="flex flex-col items-start gap-3 p-4 pt-1 text-sm">
        <p className="text-muted">{start.sampleHint}</p>
        <FormFailure error={create.error ?? undefined} />
        {exists ? (
          <div className="flex flex-wrap gap-2">
            <Button onClick={() => void navigate(`/?project=${SAMPLE}`)}>{start.openSample}</Button>
            <Button look="danger" onClick={() => setAsking(true)}>
              {start.removeSample}
            </Button>
          </div>
        ) : (
          <Button busy={create.isPending} onClick={() => create.mutate()}>
            {start.makeSample}
          </Button>
        )}
        {isAsking && (
          <Confirm
            title={start.removeSample}
            hint={start.removeSampleHint}
            action={start.removeSample}
            onConfirm={remove.mutateAsync}
            onClose={() => setAsking(false)}
          />
        )}
      </div>
    </Card>
  )
}
