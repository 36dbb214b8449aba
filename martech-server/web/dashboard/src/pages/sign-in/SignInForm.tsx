import * as z from 'zod/mini'
import { answer, client } from '../../api/client.ts'
import { Button } from '../../components/Button.tsx'
import { Field } from '../../components/Field.tsx'
import { address, useForm } from '../../session/form.ts'
import { FormFailure } from '../../session/Failure.tsx'
import type { User } from '../../session/session.tsx'
import { useTexts } from '../../texts/index.tsx'

interface SignInFormProps {
  /** The address, if it is known. */
  email?: string
  onSignedIn(user: User): Promise<void>
}

export function SignInForm({ email, onSignedIn }: SignInFormProps) {
  const { account, forms } = useTexts()
  const schema = z.object({
    email: address(forms.email),
    password: z.string().check(z.minLength(1, forms.required)),
    remember: z.optional(z.string()),
  })
  const form = useForm(schema, async ({ email, password, remember }) => {
    const body = { email, password, rememberMe: remember !== undefined }
    const { user } = await answer(client.POST('/api/auth/sign-in/email', { body }))
    await onSignedIn(user)
  })
  return (
    <form noValidate onSubmit={form.onSubmit} className="flex flex-col gap-4">
      <FormFailure error={form.failure} />
      <Field
        name="email"
        type="email"
        label={account.email}
        autoComplete="username"
        defaultValue={email}
        readOnly={email !== undefined}
        required
        error={form.errors.email}
      />
      <Field
        name="password"
        type="password"
        label={account.password}
        autoComplete="current-password"
        required
        error={form.errors.password}
      />
      <label className="flex items-center gap-2 text-sm">
        <input type="checkbox" name="remember" defaultChecked className="size-4 accent-strong" />
        {account.remember}
      </label>
      <Button type="submit" look="primary" busy={form.busy}>
        {account.signIn}
      </Button>
    </form>
  )
}
