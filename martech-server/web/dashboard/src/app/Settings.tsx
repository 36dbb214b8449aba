import { Popover } from '@base-ui/react/popover'
import { Link } from 'react-router'
import { Button } from '../components/Button.tsx'
import { Select } from '../components/Field.tsx'
import { Icon } from '../components/icons.tsx'
import { THEMES, useTheme } from '../components/Theme.tsx'
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
    <Popover.Root>
      <Popover.Trigger
        aria-label={nav.account}
        className="inline-flex size-8 items-center justify-center rounded-full bg-tint text-sm font-semibold text-accent"
      >
        {initial(user.name || user.email)}
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Positioner sideOffset={8} align="end" className="z-40">
          <Popover.Popup className="flex w-64 flex-col gap-4 rounded-xl border border-line bg-surface p-4 text-sm shadow-xl">
            <Popover.Title className="font-semibold">{user.name}</Popover.Title>
            <Popover.Description className="-mt-3 break-all text-muted">{user.email}</Popover.Description>
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
            <div className="flex items-center justify-between border-t border-line pt-3">
              <Link to={path('/account')} className="text-accent underline">
                {nav.account}
              </Link>
              <a href="/api-docs/" className="inline-flex items-center gap-2 text-accent underline">
                <Icon name="api" />
                {nav.apiDocs}
              </a>
              <Button look="quiet" onClick={() => void signOut()}>
                {settings.signOut}
              </Button>
            </div>
          </Popover.Popup>
        </Popover.Positioner>
      </Popover.Portal>
    </Popover.Root>
  )
}

function initial(name: string): string {
  return (Array.from(name.trim())[0] ?? '?').toUpperCase()
}
