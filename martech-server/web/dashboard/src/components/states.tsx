// What stands in place of content that is loading, absent or failed.

import type { ReactNode } from 'react'
import { classes } from '../lib/classes.ts'

/** Keeps the place of content that is loading. */
export function Skeleton({ className }: { className?: string }) {
  return <span aria-hidden className={classes('block animate-pulse rounded bg-raised', className)} />
}

interface NoticeProps {
  title: string
  hint?: ReactNode
  /** A button or a link that leads on. */
  action?: ReactNode
  role?: 'alert' | 'status'
  className?: string
}

/** Says in place of content why there is none, and what to do next. */
export function Notice({ title, hint, action, role, className }: NoticeProps) {
  return (
    <div role={role} className={classes('flex flex-col items-center gap-2 px-4 py-10 text-center', className)}>
      <p className="font-medium">{title}</p>
      {hint !== undefined && <p className="max-w-prose text-sm text-muted">{hint}</p>}
      {action}
    </div>
  )
}
