import { Popover } from '@base-ui/react/popover'
import { Icon } from './icons.tsx'

/** A small button that says what a figure counts. It opens by a click, a touch or a key, and when the pointer rests. */
export function Info({ label, children }: { label: string; children: string }) {
  return (
    <Popover.Root>
      <Popover.Trigger
        openOnHover
        aria-label={label}
        className="inline-flex size-6 items-center justify-center rounded-full text-muted hover:text-ink"
      >
        <Icon name="info" className="size-3.5" />
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Positioner sideOffset={4} className="z-40">
          <Popover.Popup className="max-w-72 rounded-lg border border-line bg-surface p-3 text-sm text-ink shadow-lg">
            <Popover.Title className="sr-only">{label}</Popover.Title>
            <Popover.Description>{children}</Popover.Description>
          </Popover.Popup>
        </Popover.Positioner>
      </Popover.Portal>
    </Popover.Root>
  )
}
