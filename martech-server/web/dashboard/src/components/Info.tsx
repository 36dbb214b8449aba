import { Icon } from './icons.tsx'
import { Tip } from './Popover.tsx'

/** A small button that says what a figure counts. */
export function Info({ label, children }: { label: string; children: string }) {
  const button = {
    'aria-label': label,
    className: 'inline-flex size-6 items-center justify-center rounded-full text-muted hover:text-ink',
    children: <Icon name="info" className="size-3.5" />,
  }
  return <Tip button={button}>{children}</Tip>
}
