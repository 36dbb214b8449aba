import { useState } from 'react'
import { Link, useNavigate } from 'react-router'
import * as z from 'zod/mini'
import { answer, client } from '../../api/client.ts'
import { Button } from '../../components/Button.tsx'
import { Field } from '../../components/Field.tsx'
import { address, useForm } from '../../session/form.ts'
import { Doorway } from '../../session/Doorway.tsx'
import { FormFailure } from '../../session/Failure.tsx'
import { useSignedIn } from '../../session/session.tsx'
import { useTexts } from '../../texts/index.tsx'

export default function SignUp() {
  const { account, forms } = useTexts()
  const navigate = useNavigate()
  const signedIn = useSignedIn()
  // The invitation is in the fragment, which browsers do not send: it appears in no log.
  const [invitation] = useState(() => location.hash.slice(1) || undefined)
  const schema = z.object({
    name: z.string().check(z.trim(), z.minLength(1, forms.required), z.maxLength(128, forms.longest(128))),
    email: address(forms.email),
    password: z.string().check(z.minLength(8, forms.shortest(8)), z.maxLength(128, forms.longest(128))),
  })
  const form = useForm(schema, async (values) => {
    const { user } = await answer(client.POST('/api/auth/sign-up/email', { body: { ...values, invitation } }))
    await signedIn(user)
    // The owner of a new server sends a first event; others look at figures.
    await navigate(user.role === 'owner' ? '/start' : '/', { replace: true })
  })
  return (
    <Doorway title={account.signUpTitle} hints={[account.setUp]}>
      <form noValidate method="post" onSubmit={form.onSubmit} className="flex flex-col gap-4">
        <FormFailure error={form.failure} />
        <Field name="name" label={account.name} autoComplete="name" required error={form.errors.name} />
        <Field name="email" type="email" label={account.email} autoComplete="username" required error={form.errors.email} />
        <Field
          name="password"
          type="password"
          label={account.password}
          hint={account.passwordHint}
          autoComplete="new-password"
          required
          error={form.errors.password}
        />
        <Button type="submit" look="primary" busy={form.busy}>
          {account.signUp}
        </Button>
      </form>
      <Link to="/sign-in" className="text-sm text-accent underline">
        {account.haveAccount}
      </Link>
    </Doorway>
  )
}
