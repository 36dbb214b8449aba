import { Field } from '../components/Field.tsx'
import { Suggestions } from '../components/Suggestions.tsx'
import { useUrlText } from '../lib/useUrlText.ts'
import { useTexts } from '../texts/index.tsx'
import { useProject } from './project.tsx'

function isType(text: string): boolean {
  return text === '' || /^[A-Za-z][\w.:-]{0,63}$/.test(text)
}

/** A field for an event type, which offers those of the project. */
export function TypeFilter({ value, onChoose }: { value: string; onChoose(type: string): void }) {
  const { filters } = useTexts()
  const { project } = useProject()
  const { text, edit, send } = useUrlText(value, onChoose)
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
          edit(target.value)
          if (target.value === '' || project.eventTypes.includes(target.value)) send(target.value)
        }}
        onBlur={() => isType(text) && send(text)}
        onKeyDown={({ key }) => key === 'Enter' && isType(text) && send(text)}
      />
      <Suggestions id="event-types" values={project.eventTypes} />
    </>
  )
}
