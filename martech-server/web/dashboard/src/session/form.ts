// Forms: values are checked in the page, sent, and what the server refuses appears at its field.

import { type FormEvent, useState } from 'react'
import * as z from 'zod/mini'
import { ApiError } from '../api/error.ts'
import { useTexts } from '../texts/index.tsx'
import { explain } from './explain.ts'

export interface Form {
  /** What is wrong, by field. */
  errors: Record<string, string>
  /** What is wrong with the request as a whole. */
  failure: Error | undefined
  busy: boolean
  onSubmit(event: FormEvent<HTMLFormElement>): void
}

/** An address of a user. The server decides which ones there are. */
export function address(message: string) {
  return z.string().check(z.trim(), z.includes('@', message))
}

/** Sends the fields of a form that match a schema. The fields keep their values when the server refuses them. */
export function useForm<Schema extends z.ZodMiniType>(schema: Schema, send: (values: z.output<Schema>) => Promise<unknown>): Form {
  const [{ errors, failure, busy }, set] = useState<Omit<Form, 'onSubmit'>>({ errors: {}, failure: undefined, busy: false })
  const texts = useTexts()
  const onSubmit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = event.currentTarget
    const parsed = schema.safeParse(Object.fromEntries(new FormData(form)))
    if (!parsed.success) {
      const issues = parsed.error.issues.map(({ path, message }) => [String(path[0] ?? ''), message] as const)
      set({ errors: Object.fromEntries(issues.toReversed()), failure: undefined, busy: false })
      focusFirst(form, issues)
      return
    }
    set({ errors: {}, failure: undefined, busy: true })
    try {
      await send(parsed.data)
      set({ errors: {}, failure: undefined, busy: false })
    } catch (error) {
      // A field of a list has an index behind its name.
      const field = error instanceof ApiError ? error.field?.split('.')[0] : undefined
      const hasField = field !== undefined && form.elements.namedItem(field) !== null
      const failed = error instanceof Error ? error : new Error(String(error))
      set(hasField ? { errors: { [field]: explain(failed, texts) }, failure: undefined, busy: false } : { errors: {}, failure: failed, busy: false })
      if (hasField) focusFirst(form, [[field]])
    }
  }
  return { errors, failure, busy, onSubmit: (event) => void onSubmit(event) }
}

function focusFirst(form: HTMLFormElement, fields: readonly (readonly [string, ...unknown[]])[]): void {
  const first = form.elements.namedItem(fields[0]?.[0] ?? '')
  if (first instanceof HTMLElement) first.focus()
}
