import type { ReactNode } from 'react'
import { classes } from '../lib/classes.ts'

/** A part of the page that scrolls by itself. It takes the focus, so that the arrow keys scroll it. */
export function ScrollRegion({ label, className, children }: { label: string; className?: string; children: ReactNode }) {
  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div role="group" aria-label={label} tabIndex={0} className={classes('overflow-auto', className)}>
      {children}
    </div>
  )
}
