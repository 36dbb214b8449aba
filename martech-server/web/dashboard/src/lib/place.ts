// Where a box opens beside a button.

interface Size {
  width: number
  height: number
}

export type Align = 'center' | 'end'

const GAP = 6
const MARGIN = 8

/** Puts a box below a button, or above it where there is more room, and keeps it within the window. */
export function placeBeside(button: DOMRect, box: Size, window: Size, align: Align): { left: number; top: number } {
  const below = window.height - button.bottom - GAP
  const isBelow = box.height <= below || below >= button.top - GAP
  const left = align === 'end' ? button.right - box.width : button.left + (button.width - box.width) / 2
  const top = isBelow ? button.bottom + GAP : button.top - GAP - box.height
  return {
    left: within(left, window.width - box.width),
    top: within(top, window.height - box.height),
  }
}

function within(start: number, room: number): number {
  return Math.max(MARGIN, Math.min(start, room - MARGIN))
}
