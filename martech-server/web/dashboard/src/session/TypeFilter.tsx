import { useState } from 'react'
import { Field } from '../components/Field.tsx'
import { Suggestions } from '../components/Suggestions.tsx'
import { useTexts } from '../texts/index.tsx'
import { useProject } from './project.tsx'

function isType(text: string): boolean {
  return text === '' || /^[A-Za-z][\w.:-]{0,63}$/.test(text)
}

/** A field for an event type, which offers those of the project. */
export function TypeFilter({ value, onChoose }: { value: string; onChoose(type: string): void }) {
  const { filters } = useTexts()
  const { project } = useProject()
  const [text, setText] = useState(value)
  return (
    <>
      <Field
        compact
        label={filters.type}
        placeholder={filters.type}
        list="event-types"
        value={text}
        error={isType(text) ? undefined : filters.noType}
        className="w-44"
        onChange={({ target }) => {
          setText(target.value)
          if (target.value === '' || project.eventTypes.includes(target.value)) onChoose(target.value)
        }}
        onBlur={() => isType(text) && onChoose(text)}
        onKeyDown={({ key }) => key === 'Enter' && isType(text) && onChoose(text)}
      />
      <Suggestions id="event-types" values={project.eventTypes} />
    </>
  )
}
