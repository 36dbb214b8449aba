import { Component, type ReactNode } from 'react'
import { Button } from '../components/Button.tsx'
import { Notice } from '../components/states.tsx'
import { useTexts } from '../texts/index.tsx'

interface ErrorBoundaryProps {
  children: ReactNode
  fallback?: ReactNode
  /** Where the page is. Another place gets another chance. */
  place?: string | null
}

interface ErrorBoundaryState {
  failed: boolean
  place: string | null | undefined
}

/**
 * Shows a notice in place of a page that failed. After an update of the server, an open page may ask for a file that is
 * another one now; loading the page again mends this.
 */
export class ErrorBoundary extends Component<ErrorBoundaryProps, ErrorBoundaryState> {
  override state: ErrorBoundaryState = { failed: false, place: this.props.place }

  static getDerivedStateFromError() {
    return { failed: true }
  }

  static getDerivedStateFromProps({ place }: ErrorBoundaryProps, state: ErrorBoundaryState) {
    return place === state.place ? null : { failed: false, place }
  }

  override render() {
    const { fallback = <Failed />, children } = this.props
    return this.state.failed ? fallback : children
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
