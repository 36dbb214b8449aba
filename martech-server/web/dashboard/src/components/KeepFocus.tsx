import { Component, createRef, type ReactNode } from 'react'

interface KeepFocusProps {
  label: string
  className?: string
  children: ReactNode
}

/**
 * A list whose items can go. If the item with the focus goes, the list takes the focus: without that, the keyboard and
 * screen readers would start again at the top of the page.
 */
export class KeepFocus extends Component<KeepFocusProps> {
  readonly list = createRef<HTMLDivElement>()

  override getSnapshotBeforeUpdate(): boolean {
    return this.hasFocus()
  }

  override componentDidUpdate(_props: KeepFocusProps, _state: unknown, hadFocus: boolean): void {
    if (hadFocus && !this.hasFocus()) this.list.current?.focus({ preventScroll: true })
  }

  override render() {
    const { label, className, children } = this.props
    return (
      <div ref={this.list} role="group" aria-label={label} tabIndex={-1} className={className}>
        {children}
      </div>
    )
  }

  private hasFocus(): boolean {
    return this.list.current?.contains(document.activeElement) ?? false
  }
}
