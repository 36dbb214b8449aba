import { classes } from '../lib/classes.ts'

/** The state of a connection. */
export type StreamState = 'connecting' | 'open' | 'paused' | 'refused'

const LIGHTS: Record<StreamState, string> = { open: 'bg-good', connecting: 'bg-warn', paused: 'bg-muted', refused: 'bg-bad' }

/** Says whether new events appear by themselves. */
export function Live({ state, texts }: { state: StreamState; texts: Record<StreamState, string> }) {
  return (
    <p role="status" className="flex items-center gap-1.5 text-sm text-muted">
      <span aria-hidden className={classes('size-2 rounded-full', LIGHTS[state])} />
      {texts[state]}
    </p>
  )
}
