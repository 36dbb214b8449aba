import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useRef, useState } from 'react'
import * as z from 'zod/mini'
import { answer, client } from '../../api/client.ts'
import { Button } from '../../components/Button.tsx'
import { Card } from '../../components/Card.tsx'
import { Field } from '../../components/Field.tsx'
import { KeepFocus } from '../../components/KeepFocus.tsx'
import { Skeleton } from '../../components/states.tsx'
import { useForm } from '../../session/form.ts'
import { Failure, FormFailure } from '../../session/Failure.tsx'
import { Page } from '../../session/Page.tsx'
import { useSignedIn, useUser } from '../../session/session.tsx'
import { useFormat, useTexts } from '../../texts/index.tsx'

export default function Account() {
  const { account } = useTexts()
  return (
    <Page title={account.title}>
      <div className="grid items-start gap-4 lg:grid-cols-2">
        <Profile />
        <Password />
        <Sessions />
      </div>
    </Page>
  )
}

function Profile() {
  const { account, common, forms } = useTexts()
  const user = useUser()
  const signedIn = useSignedIn()
  const [isSaved, setSaved] = useState(false)
  const schema = z.object({ name: z.string().check(z.trim(), z.maxLength(128, forms.longest(128))) })
  const form = useForm(schema, async ({ name }) => {
    await answer(client.POST('/api/auth/update-user', { body: { name } }))
    await signedIn({ ...user, name })
    setSaved(true)
  })
  return (
    <Card title={account.profile}>
      <form noValidate onSubmit={form.onSubmit} onChange={() => setSaved(false)} className="flex flex-col gap-4 p-4 pt-2">
        <FormFailure error={form.failure} />
        <Field name="name" label={account.name} autoComplete="name" defaultValue={user.name} error={form.errors.name} />
        <Field label={account.email} value={user.email} readOnly hint={account.emailFixed} />
        <div className="flex items-center gap-3">
          <Button type="submit" look="primary" busy={form.busy}>
            {common.save}
          </Button>
          <Done shown={isSaved}>{account.saved}</Done>
        </div>
      </form>
    </Card>
  )
}

function Password() {
  const { account, forms } = useTexts()
  const fields = useRef<HTMLFormElement>(null)
  const [isChanged, setChanged] = useState(false)
  const schema = z.object({
    currentPassword: z.string().check(z.minLength(1, forms.required)),
    newPassword: z.string().check(z.minLength(8, forms.shortest(8)), z.maxLength(128, forms.longest(128))),
    others: z.optional(z.string()),
  })
  const queries = useQueryClient()
  const form = useForm(schema, async ({ others, ...passwords }) => {
    await answer(client.POST('/api/auth/change-password', { body: { ...passwords, revokeOtherSessions: others !== undefined } }))
    await queries.invalidateQueries({ queryKey: SESSIONS })
    fields.current?.reset()
    setChanged(true)
  })
  return (
    <Card title={account.password}>
      <form
        ref={fields}
        noValidate
        onSubmit={form.onSubmit}
        onChange={() => setChanged(false)}
        className="flex flex-col gap-4 p-4 pt-2"
      >
        <FormFailure error={form.failure} />
        <Field
          name="currentPassword"
          type="password"
          label={account.currentPassword}
          autoComplete="current-password"
          error={form.errors.currentPassword}
        />
        <Field
          name="newPassword"
          type="password"
          label={account.newPassword}
          hint={account.passwordHint}
          autoComplete="new-password"
          error={form.errors.newPassword}
        />
        <label className="flex items-center gap-2 text-sm">
          <input type="checkbox" name="others" defaultChecked className="size-4 accent-strong" />
          {account.endOthers}
        </label>
        <div className="flex items-center gap-3">
          <Button type="submit" look="primary" busy={form.busy}>
            {account.changePassword}
          </Button>
          <Done shown={isChanged}>{account.passwordChanged}</Done>
        </div>
      </form>
    </Card>
  )
}

function Done({ shown, children }: { shown: boolean; children: string }) {
  return (
    <span role="status" className="text-sm text-good">
      {shown && children}
    </span>
  )
}

const SESSIONS = ['sessions']

function Sessions() {
  const { account } = useTexts()
  const format = useFormat()
  const queries = useQueryClient()
  const { data, error, refetch } = useQuery({
    queryKey: SESSIONS,
    queryFn: async ({ signal }) => {
      const [sessions, current] = await Promise.all([
        answer(client.GET('/api/auth/list-sessions', { signal })),
        answer(client.GET('/api/auth/get-session', { signal })),
      ])
      return sessions.map((session) => ({ ...session, isCurrent: session.id === current?.session.id }))
    },
  })
  const end = useMutation({
    mutationFn: (token: string) => answer(client.POST('/api/auth/revoke-session', { body: { token } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: SESSIONS }),
  })
  const endOthers = useMutation({
    mutationFn: () => answer(client.POST('/api/auth/revoke-other-sessions')),
    onSuccess: () => queries.invalidateQueries({ queryKey: SESSIONS }),
  })
  const hasOthers = data?.some(({ isCurrent }) => !isCurrent) === true
  return (
    <Card
      title={account.sessions}
      className="lg:col-span-2"
      actions={
        hasOthers && (
          <Button busy={endOthers.isPending} onClick={() => endOthers.mutate()}>
            {account.endAll}
          </Button>
        )
      }
    >
      <FormFailure error={end.error ?? endOthers.error ?? undefined} />
      <KeepFocus label={account.sessions}>
        {data === undefined ? (
          error === null ? (
            <Skeleton className="m-4 h-24" />
          ) : (
            <Failure error={error} onRetry={() => void refetch()} />
          )
        ) : (
          <ul className="pt-2">
            {data.map((session) => (
              <li key={session.id} className="flex flex-wrap items-center justify-between gap-x-4 gap-y-1 border-t border-line px-4 py-3 text-sm">
                <div className="min-w-0">
                  <p className="truncate font-medium" title={session.userAgent ?? undefined}>
                    {device(session.userAgent) ?? account.unknownDevice}
                    {session.isCurrent && <span className="ml-2 font-normal text-good">{account.thisDevice}</span>}
                  </p>
                  <p className="text-muted">
                    {account.sessionSince(format.dateTime(session.createdAt), format.dateTime(session.expiresAt))}
                    {session.ipAddress != null && ` · ${session.ipAddress}`}
                  </p>
                </div>
                {!session.isCurrent && (
                  <Button busy={end.isPending && end.variables === session.token} onClick={() => end.mutate(session.token)}>
                    {account.end}
                  </Button>
                )}
              </li>
            ))}
          </ul>
        )}
      </KeepFocus>
    </Card>
  )
}

const BROWSERS = [
  ['Edg/', 'Edge'],
  ['OPR/', 'Opera'],
  ['Firefox/', 'Firefox'],
  ['Chrome/', 'Chrome'],
  ['Safari/', 'Safari'],
] as const
const SYSTEMS = ['Android', 'iPhone', 'iPad', 'Windows', 'Mac OS X', 'Linux'] as const

/** The browser and the system of a device, in short. */
function device(userAgent: string | null | undefined): string | undefined {
  if (!userAgent) return undefined
  const browser = BROWSERS.find(([mark]) => userAgent.includes(mark))?.[1]
  const system = SYSTEMS.find((system) => userAgent.includes(system))
  return [browser ?? userAgent.slice(0, 60), system].filter(Boolean).join(', ')
}
