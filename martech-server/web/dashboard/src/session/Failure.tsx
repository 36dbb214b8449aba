import { ApiError } from '../api/error.ts'
import { Button } from '../components/Button.tsx'
import { Notice } from '../components/states.tsx'
import { useTexts } from '../texts/index.tsx'
import { explain } from './explain.ts'

/** Says in place of content why it could not be loaded. */
export function Failure({ error, onRetry }: { error: Error; onRetry?: () => void }) {
  const texts = useTexts()
  const id = error instanceof ApiError ? error.requestId : undefined
  const hint = (
    <>
      {explain(error, texts)}
      {id !== undefined && <span className="mt-1 block text-xs">{texts.common.requestId(id)}</span>}
    </>
  )
  const action = onRetry && (
    <Button onClick={onRetry} className="mt-2">
      {texts.common.retry}
    </Button>
  )
  return <Notice role="alert" title={texts.errors.title} hint={hint} action={action} />
}

/** Says above the fields of a form why it could not be sent. */
export function FormFailure({ error }: { error: Error | undefined }) {
  const texts = useTexts()
  return (
    <div role="alert">
      {error !== undefined && (
        <p className="rounded-lg border border-bad px-3 py-2 text-sm text-bad">{explain(error, texts)}</p>
      )}
    </div>
  )
}
