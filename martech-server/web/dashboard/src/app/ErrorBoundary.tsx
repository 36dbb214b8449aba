import { Component, type ReactNode } from 'react'
import { Button } from '../components/Button.tsx'
import { Notice } from '../components/states.tsx'
import { useTexts } from '../texts/index.tsx'

/**
 * Shows a notice in place of a page that failed. After an update of the server, an open page may ask for a file that is
 * another one now; loading the page again mends this.
 */
export class ErrorBoundary extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false }

  static getDerivedStateFromError() {
    return { failed: true }
  }

  override render() {
    return this.state.failed ? <Failed /> : this.props.children
  }
}

function Failed() {
  const { errors } = useTexts()
  const action = (
    <Button look="primary" onClick={() => location.reload()}>
      {errors.reload}
    </Button>
  )
  return <Notice role="alert" title={errors.page} hint={errors.pageHint} action={action} />
}
