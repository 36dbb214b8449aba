// @vitest-environment happy-dom

import { cleanup, render, screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { useState } from 'react'
import { afterEach, expect, test } from 'vitest'
import { Button } from './Button.tsx'
import { KeepFocus } from './KeepFocus.tsx'
import { Modal } from './Modal.tsx'

afterEach(cleanup)

function List({ asks }: { asks: boolean }) {
  const [items, setItems] = useState(['one', 'two'])
  const [removing, setRemoving] = useState<string>()
  const remove = (item: string) => setItems(items.filter((other) => other !== item))
  return (
    <>
      <KeepFocus label="list">
        {items.map((item) => (
          <Button key={item} onClick={() => (asks ? setRemoving(item) : remove(item))}>
            {item}
          </Button>
        ))}
      </KeepFocus>
      {removing !== undefined && (
        <Modal title="remove?" open onClose={() => setRemoving(undefined)} close="close">
          <Button onClick={() => remove(removing)}>remove</Button>
          <Button onClick={() => setRemoving(undefined)}>leave</Button>
          <Button
            onClick={() => {
              remove(removing)
              setRemoving(undefined)
            }}
          >
            remove and leave
          </Button>
        </Modal>
      )}
    </>
  )
}

const press = (name: string) => userEvent.click(screen.getByRole('button', { name }))
const list = () => screen.getByRole('group', { name: 'list' })

test('takes the focus of an item that goes, and of none that stays', async () => {
  render(<List asks={false} />)
  await press('two')
  expect(document.activeElement).toBe(list())
  screen.getByRole('button', { name: 'one' }).focus()
  expect(document.activeElement).not.toBe(list())
})

test('a dialog gives the focus back to its button, or to what is around it', async () => {
  render(<List asks />)
  await press('two')
  await press('leave')
  expect(document.activeElement?.textContent).toBe('two')
  await press('two')
  await press('remove')
  await press('leave')
  expect(document.activeElement).toBe(list())
  await press('one')
  await press('remove and leave')
  expect(document.activeElement).toBe(list())
})

test('a busy button keeps the focus, and does nothing', async () => {
  const { rerender } = render(<Button>send</Button>)
  screen.getByRole('button').focus()
  let sent = 0
  rerender(
    <Button busy onClick={() => (sent += 1)}>
      send
    </Button>,
  )
  await press('send')
  expect(document.activeElement).toBe(screen.getByRole('button'))
  expect(sent).toBe(0)
})
