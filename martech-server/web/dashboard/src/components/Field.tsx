import { type ComponentProps, type ReactNode, useId } from 'react'
import { classes } from '../lib/classes.ts'

interface FieldProps extends Omit<ComponentProps<'input'>, 'id'> {
  label: string
  hint?: ReactNode
  /** What is wrong with the value. */
  error?: string | undefined
  /** Whether the label is for screen readers only. */
  compact?: boolean
}

/** A text field with its label, a hint, and what is wrong. */
export function Field({ label, hint, error, compact = false, className, ...input }: FieldProps) {
  const id = useId()
  const described = [hint !== undefined && `${id}-hint`, error !== undefined && `${id}-error`].filter(Boolean).join(' ')
  return (
    <div className={classes('flex flex-col gap-1', className)}>
      <label htmlFor={id} className={compact ? 'sr-only' : 'text-sm font-medium'}>
        {label}
      </label>
      <input
        id={id}
        className={classes('control w-full', error !== undefined && 'border-bad')}
        aria-invalid={error !== undefined}
        aria-describedby={described || undefined}
        {...input}
      />
      {hint !== undefined && (
        <p id={`${id}-hint`} className="text-xs text-muted">
          {hint}
        </p>
      )}
      {error !== undefined && (
        <p id={`${id}-error`} className="text-xs text-bad">
          {error}
        </p>
      )}
    </div>
  )
}

interface SelectProps<Value extends string> extends Omit<ComponentProps<'select'>, 'value' | 'onChange'> {
  label: string
  value: Value
  options: readonly (readonly [Value, string])[]
  onChoose(value: Value): void
  /** What is wrong with the value. */
  error?: string | undefined
  /** Whether the label is for screen readers only. */
  compact?: boolean
}

export function Select<Value extends string>({ label, value, options, onChoose, error, compact = false, className, ...rest }: SelectProps<Value>) {
  const id = useId()
  return (
    <div className={classes(compact ? 'min-w-0' : 'flex flex-col gap-1', className)}>
      <label htmlFor={id} className={compact ? 'sr-only' : 'text-sm font-medium'}>
        {label}
      </label>
      <select
        id={id}
        value={value}
        className={classes('control w-full max-w-full truncate pr-8', error !== undefined && 'border-bad')}
        aria-invalid={error !== undefined}
        aria-describedby={error === undefined ? undefined : `${id}-error`}
        onChange={(event) => {
          const chosen = options.find(([option]) => option === event.target.value)
          if (chosen !== undefined) onChoose(chosen[0])
        }}
        {...rest}
      >
        {options.map(([option, text]) => (
          <option key={option} value={option}>
            {text}
          </option>
        ))}
      </select>
      {error !== undefined && (
        <p id={`${id}-error`} className="text-xs text-bad">
          {error}
        </p>
      )}
    </div>
  )
}

interface AreaProps extends Omit<ComponentProps<'textarea'>, 'id'> {
  label: string
  hint?: ReactNode
  error?: string | undefined
}

/** A field of several lines. */
export function Area({ label, hint, error, ...area }: AreaProps) {
  const id = useId()
  return (
    <div className="flex flex-col gap-1">
      <label htmlFor={id} className="text-sm font-medium">
        {label}
      </label>
      <textarea
        id={id}
        rows={3}
        className={classes('w-full rounded-lg border bg-surface px-3 py-2 text-sm', error === undefined ? 'border-line' : 'border-bad')}
        aria-invalid={error !== undefined}
        aria-describedby={`${id}-note`}
        {...area}
      />
      <p id={`${id}-note`} className={classes('text-xs', error === undefined ? 'text-muted' : 'text-bad')}>
        {error ?? hint}
      </p>
    </div>
  )
}
