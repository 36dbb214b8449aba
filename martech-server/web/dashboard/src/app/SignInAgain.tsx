import { Modal } from '../components/Modal.tsx'
import { SignInForm } from '../pages/sign-in/SignInForm.tsx'
import { useSignedIn, type User } from '../session/session.tsx'
import { useTexts } from '../texts/index.tsx'

/** Asks for the password over a page whose session has ended. The page stays as it is. */
export default function SignInAgain({ user }: { user: User }) {
  const { account } = useTexts()
  const signedIn = useSignedIn()
  return (
    <Modal title={account.ended} hint={account.endedHint} open>
      <SignInForm email={user.email} onSignedIn={signedIn} />
    </Modal>
  )
}
