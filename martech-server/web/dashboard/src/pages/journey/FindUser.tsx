import { useState } from 'react'
import { useNavigate } from 'react-router'
import { Field } from '../../components/Field.tsx'
import { Suggestions } from '../../components/Suggestions.tsx'
import { usePath } from '../../session/project.tsx'
import { useTexts } from '../../texts/index.tsx'
import { useIdsBeginning } from '../users/queries.ts'

/** A field that leads to another user. It offers the ids that begin with the text. */
export function FindUser() {
  const { journey } = useTexts()
  const path = usePath()
  const navigate = useNavigate()
  const [text, setText] = useState('')
  const found = useIdsBeginning(text)
  return (
    <form
      role="search"
      onSubmit={(event) => {
        event.preventDefault()
        const userId = text.trim()
        if (userId === '') return
        setText('')
        void navigate(path('/journey', { user: userId }))
      }}
    >
      <Field
        compact
        type="search"
        label={journey.find}
        placeholder={journey.find}
        list="found-users"
        value={text}
        maxLength={128}
        className="w-44"
        onChange={({ target }) => setText(target.value)}
      />
      <Suggestions id="found-users" values={found} />
    </form>
  )
}
