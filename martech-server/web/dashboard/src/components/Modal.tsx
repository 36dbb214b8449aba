import { Dialog } from '@base-ui/react/dialog'
import { type ReactNode, useEffect, useRef, useState } from 'react'
import { holdFocus } from '../lib/focus.ts'
import { IconButton } from './Button.tsx'
import { Icon } from './icons.tsx'

interface ModalProps {
  title: string
  hint?: string
  open: boolean
  /** Closes the dialog. Without it, only its content can. */
  onClose?(): void
  close?: string
  children: ReactNode
}

export function Modal({ title, hint, open, onClose, close, children }: ModalProps) {
  const [home] = useState(holdFocus)
  const popup = useRef<HTMLDivElement>(null)
  useEffect(
    () => () => {
      // The focus was in the dialog, which is gone by now. So may be the button that opened it.
      if (document.activeElement === document.body) home()?.focus({ preventScroll: true })
    },
    [home],
  )
  return (
    <Dialog.Root open={open} onOpenChange={(isOpen) => !isOpen && onClose?.()} disablePointerDismissal={onClose === undefined}>
      <Dialog.Portal>
        <Dialog.Backdrop className="fixed inset-0 z-40 bg-[rgb(0_0_0/0.45)]" />
        <Dialog.Popup
          ref={popup}
          // What is asked for comes before the button that closes.
          initialFocus={() => popup.current?.querySelector<HTMLElement>('input:not([readonly]), select, textarea') ?? true}
          finalFocus={false}
          className="fixed inset-x-4 top-[10dvh] z-50 mx-auto flex max-h-[80dvh] max-w-lg flex-col gap-4 overflow-auto rounded-xl border border-line bg-surface p-5 shadow-xl"
        >
          <div className="flex items-start justify-between gap-4">
            <Dialog.Title className="text-lg font-semibold">{title}</Dialog.Title>
            {onClose !== undefined && (
              <IconButton label={close ?? ''} onClick={onClose} className="-mr-2 -mt-1">
                <Icon name="close" />
              </IconButton>
            )}
          </div>
          {hint !== undefined && <Dialog.Description className="text-sm text-muted">{hint}</Dialog.Description>}
          {children}
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  )
}
