import { Link } from 'react-router'
import { Notice } from '../components/states.tsx'
import { Page } from '../session/Page.tsx'
import { useTexts } from '../texts/index.tsx'

export function Missing() {
  const { errors } = useTexts()
  const action = (
    <Link to="/" className="text-sm text-accent underline">
      {errors.home}
    </Link>
  )
  return (
    <Page title={errors.missing}>
      <Notice title={errors.missingHint} action={action} />
    </Page>
  )
}
