import { type ReactNode, useState } from 'react'
import { Button } from '../components/Button.tsx'
import { Modal } from '../components/Modal.tsx'
import { useTexts } from '../texts/index.tsx'
import { FormFailure } from './Failure.tsx'

interface ConfirmProps {
  title: string
  hint: string
  /** The button that does it. */
  action: string
  onConfirm(): Promise<unknown>
  onClose(): void
  children?: ReactNode
}

/** Asks before something is done that cannot be undone. */
export function Confirm({ title, hint, action, onConfirm, onClose, children }: ConfirmProps) {
  const { common } = useTexts()
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<Error>()
  const confirm = async () => {
    setBusy(true)
    try {
      await onConfirm()
      onClose()
    } catch (error) {
      setError(error instanceof Error ? error : new Error(String(error)))
      setBusy(false)
    }
  }
  return (
    <Modal title={title} hint={hint} open onClose={onClose} close={common.close}>
      <FormFailure error={error} />
      {children}
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>{common.cancel}</Button>
        <Button look="danger" busy={busy} onClick={() => void confirm()}>
          {action}
        </Button>
      </div>
    </Modal>
  )
}
