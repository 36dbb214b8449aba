import { classes } from '../lib/classes.ts'

/** Text of a program. It takes the focus, so that the arrow keys scroll it. */
export function Code({ label, className, children }: { label: string; className?: string; children: string }) {
  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <pre role="group" aria-label={label} tabIndex={0} className={classes('overflow-auto rounded-lg bg-raised font-mono text-xs', className)}>
      {children}
    </pre>
  )
}
