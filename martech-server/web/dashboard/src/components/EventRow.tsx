import { type ReactNode, useId, useState } from 'react'
import { Code } from './Code.tsx'

interface EventRowProps {
  time: string
  type: string
  /** The user, where the list has several. */
  user?: ReactNode
  /** What the event is about, such as a page or an amount. */
  summary: string
  /** The whole event. */
  json: unknown
}

/** An event in a list. It opens as JSON. */
export function EventRow({ time, type, user, summary, json }: EventRowProps) {
  const id = useId()
  const [isOpen, open] = useState(false)
  return (
    <div className="border-b border-line text-sm last:border-b-0">
      <div className="flex flex-wrap items-center gap-x-3 px-4 hover:bg-raised">
        <button
          type="button"
          aria-expanded={isOpen}
          aria-controls={isOpen ? id : undefined}
          onClick={() => open(!isOpen)}
          className="flex min-h-9 min-w-0 grow items-center gap-3 text-left"
        >
          <time className="min-w-24 shrink-0 whitespace-nowrap tabular-nums text-muted">{time}</time>
          <span className="rounded bg-tint px-1.5 py-0.5 font-mono text-xs text-accent">{type}</span>
          <span className="min-w-0 truncate">{summary}</span>
        </button>
        {user}
      </div>
      {isOpen && (
        <div id={id}>
          <Code label={type} className="mx-4 mb-3 max-h-96 p-3">
            {JSON.stringify(json, null, 2)}
          </Code>
        </div>
      )}
    </div>
  )
}
