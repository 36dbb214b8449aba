import { useNavigate, useSearchParams } from 'react-router'
import { Doorway } from '../../session/Doorway.tsx'
import { useSignedIn } from '../../session/session.tsx'
import { useTexts } from '../../texts/index.tsx'
import { SignInForm } from './SignInForm.tsx'

export default function SignIn() {
  const { account } = useTexts()
  const [params] = useSearchParams()
  const navigate = useNavigate()
  const signedIn = useSignedIn()
  return (
    <Doorway title={account.signInTitle} hints={[account.invited, account.firstTime]}>
      <SignInForm
        onSignedIn={async (user) => {
          await signedIn(user)
          await navigate(ownPage(params.get('next')), { replace: true })
        }}
      />
    </Doorway>
  )
}

/** The page to go on with. Only pages of the dashboard count: a link must not lead away. */
function ownPage(next: string | null): string {
  return next?.startsWith('/') === true && !next.startsWith('//') ? next : '/'
}
