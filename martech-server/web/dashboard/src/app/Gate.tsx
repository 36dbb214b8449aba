import { lazy, Suspense } from 'react'
import { Navigate, useLocation } from 'react-router'
import { ApiError } from '../api/error.ts'
import { useSessionEnded } from '../api/session-ended.ts'
import { Button } from '../components/Button.tsx'
import { Notice } from '../components/states.tsx'
import { Failure, FormFailure } from '../session/Failure.tsx'
import { ProjectProvider, useProjects } from '../session/project.tsx'
import { UserContext, useSession, useSignOut } from '../session/session.tsx'
import { useTexts } from '../texts/index.tsx'
import { ErrorBoundary } from './ErrorBoundary.tsx'
import { files } from './files.ts'
import { Shell } from './Shell.tsx'
import { Placeholder } from './Waiting.tsx'

const SignInAgain = lazy(files.signInAgain)

/** The pages for people who are signed in. Others go to the sign-in page first. */
export function Gate() {
  const { data: user, error, refetch } = useSession()
  const { pathname, search } = useLocation()
  const isEnded = useSessionEnded()
  if (user === undefined) return error === null ? <Placeholder /> : <Failure error={error} onRetry={() => void refetch()} />
  if (user === null) {
    const next = pathname === '/' && search === '' ? '' : `?next=${encodeURIComponent(pathname + search)}`
    return <Navigate to={`/sign-in${next}`} replace />
  }
  return (
    <UserContext value={user}>
      <Inside />
      {isEnded && (
        <ErrorBoundary>
          <Suspense>
            <SignInAgain user={user} />
          </Suspense>
        </ErrorBoundary>
      )}
    </UserContext>
  )
}

function Inside() {
  const { data: list, error, refetch } = useProjects()
  if (error instanceof ApiError && error.status === 403) return <NoRole />
  if (list === undefined) return error === null ? <Placeholder /> : <Failure error={error} onRetry={() => void refetch()} />
  return (
    <ProjectProvider list={list}>
      <Shell />
    </ProjectProvider>
  )
}

function NoRole() {
  const { account, settings } = useTexts()
  const signOut = useSignOut()
  const action = (
    <Button busy={signOut.isPending} onClick={() => signOut.mutate()}>
      {settings.signOut}
    </Button>
  )
  return (
    <main>
      <Notice title={account.noRole} hint={account.noRoleHint} action={action} />
      <FormFailure error={signOut.error ?? undefined} />
    </main>
  )
}

