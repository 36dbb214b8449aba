import { Link } from 'react-router'
import { Button } from '../components/Button.tsx'
import { Select } from '../components/Field.tsx'
import { Icon } from '../components/icons.tsx'
import { Popover } from '../components/Popover.tsx'
import { THEMES, useTheme } from '../components/Theme.tsx'
import { FormFailure } from '../session/Failure.tsx'
import { usePath } from '../session/project.tsx'
import { useSignOut, useUser } from '../session/session.tsx'
import { type Language, LANGUAGES, useLanguage } from '../texts/index.tsx'

/** The settings of the browser, and the account. */
export function Settings() {
  const { texts, language, choose } = useLanguage()
  const { settings, nav } = texts
  const { theme, choose: chooseTheme } = useTheme()
  const user = useUser()
  const signOut = useSignOut()
  const path = usePath()
  return (
    <Popover
      label={nav.account}
      align="end"
      className="w-64"
      button={{
        'aria-label': nav.account,
        className: 'inline-flex size-8 items-center justify-center rounded-full bg-tint text-sm font-semibold text-accent',
        children: initial(user.name || user.email),
      }}
    >
      <div className="flex flex-col gap-4">
        <div>
          <p className="font-semibold">{user.name}</p>
          <p className="break-all text-muted">{user.email}</p>
        </div>
        <Select
          label={settings.theme}
          value={theme}
          options={THEMES.map((theme) => [theme, settings[theme]] as const)}
          onChoose={chooseTheme}
        />
        <Select
          label={settings.language}
          value={language}
          options={Object.entries(LANGUAGES) as [Language, string][]}
          onChoose={(chosen) => void choose(chosen)}
        />
        <FormFailure error={signOut.error ?? undefined} />
        <div className="flex items-center justify-between border-t border-line pt-3">
          <Link to={path('/account')} className="text-accent underline">
            {nav.account}
          </Link>
          <a href="/api-docs/" className="inline-flex items-center gap-2 text-accent underline">
            <Icon name="api" />
            {nav.apiDocs}
          </a>
          <Button look="quiet" busy={signOut.isPending} onClick={() => signOut.mutate()}>
            {settings.signOut}
          </Button>
        </div>
      </div>
    </Popover>
  )
}

function initial(name: string): string {
  return (Array.from(name.trim())[0] ?? '?').toUpperCase()
}
