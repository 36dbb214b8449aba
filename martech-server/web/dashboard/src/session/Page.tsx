import { type ReactNode, useEffect } from 'react'

interface PageProps {
  title: string
  /** What stands beside the title. */
  beside?: ReactNode
  /** Choices at the right. */
  controls?: ReactNode
  /** Whether the page has columns for a window that is wider than 1,920 pixels. */
  wide?: boolean
  children: ReactNode
}

/** The frame of a page: its title, which is also that of the tab, and its choices. */
export function Page({ title, beside, controls, wide, children }: PageProps) {
  useEffect(() => {
    document.title = `${title} · martech`
  }, [title])
  return (
    <>
      <header data-wide={wide === true || undefined} className="mb-4 flex flex-wrap items-center justify-between gap-x-6 gap-y-3">
        <div className="flex min-w-0 flex-wrap items-center gap-x-4 gap-y-1">
          <h1 className="min-w-0 text-xl font-semibold wrap-anywhere">{title}</h1>
          {beside}
        </div>
        {controls !== undefined && <div className="flex flex-wrap items-start gap-2">{controls}</div>}
      </header>
      {children}
    </>
  )
}
