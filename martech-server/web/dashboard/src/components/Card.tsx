import { type ReactNode, useId } from 'react'
import { classes } from '../lib/classes.ts'

interface CardProps {
  title?: string
  /** What stands beside the title, such as what a figure counts. */
  info?: ReactNode
  /** Buttons at the right of the title. */
  actions?: ReactNode
  className?: string
  children: ReactNode
}

export function Card({ title, info, actions, className, children }: CardProps) {
  const id = useId()
  return (
    <section
      aria-labelledby={title === undefined ? undefined : id}
      className={classes('min-w-0 rounded-xl border border-line bg-surface', className)}
    >
      {title !== undefined && (
        <header className="flex min-h-12 flex-wrap items-center justify-between gap-2 px-4 pt-2">
          <div className="flex min-w-0 items-center gap-1">
            <h2 id={id} className="truncate text-sm font-semibold">
              {title}
            </h2>
            {info}
          </div>
          {actions !== undefined && <div className="flex items-center gap-1">{actions}</div>}
        </header>
      )}
      {children}
    </section>
  )
}
