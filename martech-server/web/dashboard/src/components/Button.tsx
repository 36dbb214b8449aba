import type { ComponentProps } from 'react'
import { classes } from '../lib/classes.ts'

type Look = 'primary' | 'plain' | 'quiet' | 'danger'

const LOOKS: Record<Look, string> = {
  primary: 'bg-strong text-white border-transparent hover:opacity-90',
  plain: 'bg-surface text-ink border-line hover:bg-raised',
  quiet: 'bg-transparent text-muted border-transparent hover:bg-raised hover:text-ink',
  danger: 'bg-surface text-bad border-line hover:bg-raised',
}

interface ButtonProps extends ComponentProps<'button'> {
  look?: Look
  /** Shows that the action is running. The button does nothing meanwhile, and keeps the focus. */
  busy?: boolean
}

export function Button({ look = 'plain', busy = false, className, onClick, children, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      className={classes(
        'inline-flex h-9 items-center justify-center gap-2 whitespace-nowrap rounded-lg border px-3 text-sm font-medium disabled:opacity-60 aria-disabled:opacity-60',
        LOOKS[look],
        className,
      )}
      aria-busy={busy}
      aria-disabled={busy || undefined}
      onClick={busy ? (event) => event.preventDefault() : onClick}
      {...rest}
    >
      {busy && <span aria-hidden className="size-3.5 animate-spin rounded-full border-2 border-current border-t-transparent" />}
      {children}
    </button>
  )
}

interface IconButtonProps extends Omit<ComponentProps<'button'>, 'aria-label'> {
  label: string
  pressed?: boolean
}

/** A button that shows an icon only. Its label is for screen readers, and appears when the pointer rests on it. */
export function IconButton({ label, pressed, className, ...rest }: IconButtonProps) {
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      aria-pressed={pressed}
      className={classes(
        'inline-flex size-8 items-center justify-center rounded-lg text-muted hover:bg-raised hover:text-ink',
        pressed === true && 'bg-raised text-ink',
        className,
      )}
      {...rest}
    />
  )
}
