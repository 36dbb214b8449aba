import { useId, useState } from 'react'
import { classes } from '../lib/classes.ts'

interface FilePickerProps {
  label: string
  hint: string
  busy: boolean
  onPick(file: File): void
}

/** A field for a file, which can also be dropped on it. */
export function FilePicker({ label, hint, busy, onPick }: FilePickerProps) {
  const id = useId()
  const [isOver, setOver] = useState(false)
  return (
    <div
      className={classes(
        'flex flex-col items-center gap-2 rounded-xl border-2 border-dashed px-4 py-8 text-center',
        isOver ? 'border-accent bg-tint' : 'border-line',
      )}
      onDragOver={(event) => {
        event.preventDefault()
        setOver(true)
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault()
        setOver(false)
        const file = event.dataTransfer.files[0]
        if (file !== undefined && !busy) onPick(file)
      }}
    >
      <label htmlFor={id} className="font-medium">
        {label}
      </label>
      <input
        id={id}
        type="file"
        disabled={busy}
        aria-describedby={`${id}-hint`}
        className="max-w-full text-sm file:mr-3 file:h-9 file:cursor-pointer file:rounded-lg file:border file:border-solid file:border-line file:bg-surface file:px-3 file:text-ink"
        onChange={({ target }) => {
          const file = target.files?.[0]
          if (file !== undefined) onPick(file)
          // The same file can be chosen again.
          target.value = ''
        }}
      />
      <p id={`${id}-hint`} className="text-xs text-muted">
        {hint}
      </p>
    </div>
  )
}
