import { useState } from 'react'
import * as z from 'zod/mini'
import { Button } from '../../../components/Button.tsx'
import { Card } from '../../../components/Card.tsx'
import { Confirm } from '../../../session/Confirm.tsx'
import { DataTable } from '../../../components/DataTable.tsx'
import { KeepFocus } from '../../../components/KeepFocus.tsx'
import { ScrollRegion } from '../../../components/ScrollRegion.tsx'
import { Area, Field, Select } from '../../../components/Field.tsx'
import { Modal } from '../../../components/Modal.tsx'
import { Secret } from '../../../components/Secret.tsx'
import { Notice, Skeleton } from '../../../components/states.tsx'
import { useForm } from '../../../session/form.ts'
import { Failure, FormFailure } from '../../../session/Failure.tsx'
import { Page } from '../../../session/Page.tsx'
import { useProject } from '../../../session/project.tsx'
import { useFormat, useTexts } from '../../../texts/index.tsx'
import { type Key, useKeyChanges, useKeys } from './queries.ts'

type Asked = { action: 'create' } | { action: 'edit' | 'rotate' | 'revoke'; key: Key } | { action: 'show'; secret: string }

export default function Keys() {
  const { admin, common } = useTexts()
  const texts = admin.keys
  const { project } = useProject()
  const { data, error, refetch } = useKeys(project.id)
  const { rotate, revoke } = useKeyChanges(project.id)
  const [asked, ask] = useState<Asked>()
  const close = () => ask(undefined)
  return (
    <Page
      title={texts.title}
      controls={
        <Button look="primary" onClick={() => ask({ action: 'create' })}>
          {texts.create}
        </Button>
      }
    >
      {data === undefined ? (
        error === null ? (
          <Skeleton className="h-48 rounded-xl" />
        ) : (
          <Failure error={error} onRetry={() => void refetch()} />
        )
      ) : (
        <Card>
          <KeepFocus label={texts.title}>
            {data.keys.length === 0 ? <Notice title={texts.none} hint={texts.noneHint} /> : <KeyTable keys={data.keys} ask={ask} />}
          </KeepFocus>
        </Card>
      )}
      {asked?.action === 'create' && <Create onClose={close} />}
      {asked?.action === 'edit' && <Edit edited={asked.key} onClose={close} />}
      {asked?.action === 'show' && (
        <Modal title={texts.rotated} open onClose={close} close={common.close}>
          <Secret label={texts.secret} secret={asked.secret} hint={texts.once} texts={common} />
        </Modal>
      )}
      {asked?.action === 'rotate' && (
        <Confirm
          title={texts.rotateTitle(asked.key.name)}
          hint={texts.rotateHint}
          action={texts.rotate}
          onConfirm={async () => {
            const { key } = await rotate.mutateAsync(asked.key.id)
            // The dialog closes itself; the secret opens the next one.
            setTimeout(() => ask({ action: 'show', secret: key }))
          }}
          onClose={close}
        />
      )}
      {asked?.action === 'revoke' && (
        <Confirm
          title={texts.revokeTitle(asked.key.name)}
          hint={texts.revokeHint}
          action={texts.revoke}
          onConfirm={() => revoke.mutateAsync(asked.key.id)}
          onClose={close}
        />
      )}
    </Page>
  )
}

function KeyTable({ keys, ask }: { keys: Key[]; ask(asked: Asked): void }) {
  const { admin, common } = useTexts()
  const texts = admin.keys
  const format = useFormat()
  const columns = [texts.name, texts.kind, texts.hint, texts.origins, texts.lastUsed, texts.created, texts.actions]
  return (
    <ScrollRegion label={texts.title} className="px-2 pb-2">
      <DataTable
        caption={texts.title}
        columns={columns.map((name) => ({ name }))}
        rows={keys.map((key) => ({
          key: `${key.id} ${key.hint}`,
          cells: [
            key.name,
            texts.kinds[key.kind],
            <code key="hint" className="font-mono text-xs">
              …{key.hint}
            </code>,
            key.origins?.join(', ') ?? common.none,
            key.lastUsedAt == null ? common.never : format.dateTime(key.lastUsedAt),
            format.date(key.createdAt),
            key.expiresAt == null ? (
              <span key="actions" className="flex gap-1">
                <Button look="quiet" onClick={() => ask({ action: 'edit', key })}>
                  {texts.edit}
                </Button>
                <Button look="quiet" onClick={() => ask({ action: 'rotate', key })}>
                  {texts.rotate}
                </Button>
                <Button look="quiet" onClick={() => ask({ action: 'revoke', key })}>
                  {texts.revoke}
                </Button>
              </span>
            ) : (
              texts.until(format.dateTime(key.expiresAt))
            ),
          ],
        }))}
      />
    </ScrollRegion>
  )
}

/** Changes the name or the origins of a key. */
function Edit({ edited, onClose }: { edited: Key; onClose(): void }) {
  const { admin, common, forms } = useTexts()
  const texts = admin.keys
  const { update } = useKeyChanges(useProject().project.id)
  const schema = z.object({
    name: z.string().check(z.trim(), z.minLength(1, forms.required), z.maxLength(128, forms.longest(128))),
    origins: z.string(),
  })
  const form = useForm(schema, async ({ name, origins }) => {
    await update.mutateAsync({ id: edited.id, body: { name, origins: lines(origins) } })
    onClose()
  })
  return (
    <Modal title={texts.editTitle(edited.name)} open onClose={onClose} close={common.close}>
      <form noValidate onSubmit={form.onSubmit} className="flex flex-col gap-4">
        <FormFailure error={form.failure} />
        <Field name="name" label={texts.name} defaultValue={edited.name} error={form.errors.name} />
        <Area
          name="origins"
          label={texts.origins}
          hint={texts.originsHint}
          defaultValue={edited.origins?.join('\n')}
          error={form.errors.origins}
        />
        <Button type="submit" look="primary" busy={form.busy}>
          {common.save}
        </Button>
      </form>
    </Modal>
  )
}

function lines(text: string): string[] {
  return text.split(/[\s,]+/).filter(Boolean)
}

function Create({ onClose }: { onClose(): void }) {
  const { admin, common, forms } = useTexts()
  const texts = admin.keys
  const { create } = useKeyChanges(useProject().project.id)
  const [kind, setKind] = useState<Key['kind']>('write')
  const schema = z.object({
    name: z.string().check(z.trim(), z.minLength(1, forms.required), z.maxLength(128, forms.longest(128))),
    origins: z.string(),
  })
  const form = useForm(schema, ({ name, origins }) =>
    create.mutateAsync({ name, kind, origins: lines(origins) }),
  )
  return (
    <Modal title={texts.create} hint={texts.createHint} open onClose={onClose} close={common.close}>
      {create.data === undefined ? (
        <form noValidate onSubmit={form.onSubmit} className="flex flex-col gap-4">
          <FormFailure error={form.failure} />
          <Field name="name" label={texts.name} error={form.errors.name} />
          <Select
            label={texts.kind}
            value={kind}
            options={(['write', 'read'] as const).map((kind) => [kind, texts.kindHints[kind]] as const)}
            onChoose={(kind) => setKind(kind)}
          />
          <Area name="origins" label={texts.origins} hint={texts.originsHint} placeholder="https://shop.example" error={form.errors.origins} />
          <Button type="submit" look="primary" busy={form.busy}>
            {texts.create}
          </Button>
        </form>
      ) : (
        <Secret label={texts.secret} secret={create.data.key} hint={texts.once} texts={common} />
      )}
    </Modal>
  )
}
