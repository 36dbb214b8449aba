/**
 * Remembers what has the focus. Returns what to give it back to: the same element or, if it is gone, the nearest part of
 * the page around it that takes the focus.
 */
export function holdFocus(): () => HTMLElement | null {
  const homes: Element[] = []
  const { activeElement, body } = document
  for (let home = activeElement === body ? null : activeElement; home; home = home.parentElement?.closest('[tabindex]') ?? null) {
    homes.push(home)
  }
  return () => homes.find((home): home is HTMLElement => home instanceof HTMLElement && home.isConnected) ?? null
}
