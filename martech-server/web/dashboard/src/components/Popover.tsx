import { type ComponentProps, type PointerEvent, type ReactNode, type RefObject, useEffect, useEffectEvent, useId, useRef, useState } from 'react'
import { classes } from '../lib/classes.ts'
import { type Align, placeBeside } from '../lib/place.ts'
import type { Button } from './Button.tsx'

interface PopoverProps {
  button: ComponentProps<'button'>
  as?: 'button' | typeof Button
  align?: Align
  /** The name of the content. */
  label: string
  className?: string
  children: ReactNode
}

const BOX = 'fixed inset-auto m-0 border border-line bg-surface text-sm text-ink shadow-xl'

/** What opens beside a button. The browser closes it by Escape, and by a click elsewhere. */
export function Popover({ button, as: Trigger = 'button', align = 'center', label, className, children }: PopoverProps) {
  const id = useId()
  const trigger = useRef<HTMLButtonElement>(null)
  const content = useRef<HTMLDivElement>(null)
  const setOpen = usePlace(trigger, content, align)
  return (
    <>
      <Trigger type="button" ref={trigger} popoverTarget={id} {...button} />
      <div
        ref={content}
        id={id}
        popover="auto"
        role="dialog"
        aria-label={label}
        tabIndex={-1}
        onToggle={({ newState }) => {
          setOpen(newState === 'open')
          if (newState === 'open') content.current?.focus()
        }}
        className={classes(BOX, 'rounded-xl p-4 outline-none', className)}
      >
        {children}
      </div>
    </>
  )
}

/** How long the pointer rests on a button before its tip opens, and how long the tip stays when the pointer leaves. */
const REST = 250
const STAY = 250

/**
 * A text about something, which opens beside a button by a click, a touch or a key, and when the pointer rests. Screen
 * readers read it with the button.
 */
export function Tip({ button, children }: Pick<PopoverProps, 'button'> & { children: string }) {
  const id = useId()
  const trigger = useRef<HTMLButtonElement>(null)
  const content = useRef<HTMLDivElement>(null)
  const setOpen = usePlace(trigger, content, 'center')
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  useEffect(() => () => clearTimeout(timer.current), [])
  const later = (isOpen: boolean) => ({ pointerType }: PointerEvent) => {
    if (pointerType !== 'mouse') return
    clearTimeout(timer.current)
    timer.current = setTimeout(() => content.current?.togglePopover(isOpen), isOpen ? REST : STAY)
  }
  const hover = { onPointerEnter: later(true), onPointerLeave: later(false) }
  return (
    <>
      {/* A click does not close what the pointer has opened just before. */}
      <button type="button" ref={trigger} popoverTarget={id} popoverTargetAction="show" aria-describedby={id} {...hover} {...button} />
      <div
        ref={content}
        id={id}
        popover="auto"
        role="tooltip"
        onToggle={({ newState }) => setOpen(newState === 'open')}
        className={classes(BOX, 'max-w-72 rounded-lg p-3 text-left font-normal')}
        {...hover}
      >
        {children}
      </div>
    </>
  )
}

/** Keeps an open box beside its button, also while the page scrolls. Returns the function that sets whether it is open. */
function usePlace(trigger: RefObject<HTMLElement | null>, content: RefObject<HTMLElement | null>, align: Align) {
  const [isOpen, setOpen] = useState(false)
  const place = useEffectEvent(() => {
    const [button, box] = [trigger.current, content.current]
    if (button === null || box === null) return
    const size = { width: box.offsetWidth, height: box.offsetHeight }
    const { left, top } = placeBeside(button.getBoundingClientRect(), size, { width: innerWidth, height: innerHeight }, align)
    box.style.left = `${left}px`
    box.style.top = `${top}px`
  })
  useEffect(() => {
    if (!isOpen) return
    const onMove = () => place()
    onMove()
    addEventListener('scroll', onMove, true)
    addEventListener('resize', onMove)
    return () => {
      removeEventListener('scroll', onMove, true)
      removeEventListener('resize', onMove)
    }
  }, [isOpen])
  return setOpen
}
