import { Autocomplete } from '@base-ui/react/autocomplete'
import { useMemo, useState } from 'react'
import { useNavigate } from 'react-router'
import { Modal } from '../components/Modal.tsx'
import { useIdsBeginning } from '../pages/users/queries.ts'
import { usePath } from '../session/project.tsx'
import { useTexts } from '../texts/index.tsx'
import { usePages } from './pages.ts'

interface Item {
  value: string
  label: string
  kind: string
  /** The id of the user, unless it is a page. */
  user?: string
}

/** Finds pages by their name, and users by the beginning of their id. */
export default function Palette({ onClose }: { onClose(): void }) {
  const { common, nav, palette } = useTexts()
  const path = usePath()
  const navigate = useNavigate()
  const pages = usePages()
  const [text, setText] = useState('')
  const users = useIdsBeginning(text)
  const items = useMemo(() => {
    const wanted = text.trim().toLowerCase()
    const found = pages.filter(({ name }) => name.toLowerCase().includes(wanted))
    return [
      ...found.map(({ to, name }): Item => ({ value: to, label: name, kind: palette.page })),
      ...users.map((user): Item => ({ value: user, label: user, kind: palette.user, user })),
    ]
  }, [pages, text, users, palette])
  const go = (item: Item) => {
    onClose()
    void navigate(item.user === undefined ? path(item.value) : path('/journey', { user: item.user }))
  }
  return (
    <Modal title={nav.search} open onClose={onClose} close={common.close}>
      <Autocomplete.Root
        open
        inline
        mode="none"
        items={items}
        value={text}
        onValueChange={setText}
        autoHighlight="always"
        itemToStringValue={(item: Item) => item.label}
      >
        <Autocomplete.Input aria-label={nav.search} placeholder={palette.hint} maxLength={128} className="control h-11 w-full" />
        <Autocomplete.Empty className="px-2 py-3 text-sm text-muted empty:hidden">{palette.none}</Autocomplete.Empty>
        <Autocomplete.List className="max-h-80 overflow-auto">
          {(item: Item) => (
            <Autocomplete.Item
              key={item.value}
              value={item}
              onClick={() => go(item)}
              className="flex cursor-pointer items-center justify-between gap-3 rounded-lg px-3 py-2 text-sm data-highlighted:bg-tint"
            >
              <span className="truncate">{item.label}</span>
              <span className="text-xs text-muted">{item.kind}</span>
            </Autocomplete.Item>
          )}
        </Autocomplete.List>
      </Autocomplete.Root>
    </Modal>
  )
}
