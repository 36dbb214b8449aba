import { useState } from 'react'
import * as z from 'zod/mini'
import { Button } from '../../../components/Button.tsx'
import { Card } from '../../../components/Card.tsx'
import { Confirm } from '../../../session/Confirm.tsx'
import { DataTable } from '../../../components/DataTable.tsx'
import { KeepFocus } from '../../../components/KeepFocus.tsx'
import { Suggestions } from '../../../components/Suggestions.tsx'
import { ScrollRegion } from '../../../components/ScrollRegion.tsx'
import { Area, Field } from '../../../components/Field.tsx'
import { Modal } from '../../../components/Modal.tsx'
import type { Schema } from '../../../api/client.ts'
import { useForm } from '../../../session/form.ts'
import { FormFailure } from '../../../session/Failure.tsx'
import { Page } from '../../../session/Page.tsx'
import { DEFAULT_PROJECT, useProjects } from '../../../session/project.tsx'
import { includes, useMayOnServer, useUser } from '../../../session/session.tsx'
import { useFormat, useTexts } from '../../../texts/index.tsx'
import { type ProjectSettings, useProjectChanges } from './queries.ts'

type Asked = { action: 'create' } | { action: 'edit' | 'remove'; project: ProjectSettings }
type Defaults = Schema<'ProjectDefaults'>

export default function Projects() {
  const { admin } = useTexts()
  const texts = admin.projects
  const { data } = useProjects()
  const [asked, ask] = useState<Asked>()
  const close = () => ask(undefined)
  const ownsServer = useMayOnServer('owner')
  if (data === undefined) return null
  return (
    <Page
      title={texts.title}
      controls={
        ownsServer && (
          <Button look="primary" onClick={() => ask({ action: 'create' })}>
            {texts.create}
          </Button>
        )
      }
    >
      <Card>
        <KeepFocus label={texts.title}>
          <ProjectTable projects={data.projects} defaults={data.defaults} ownsServer={ownsServer} ask={ask} />
        </KeepFocus>
      </Card>
      {asked?.action === 'create' && <Settings defaults={data.defaults} onClose={close} />}
      {asked?.action === 'edit' && <Settings project={asked.project} defaults={data.defaults} onClose={close} />}
      {asked?.action === 'remove' && <Remove project={asked.project} onClose={close} />}
    </Page>
  )
}

interface ProjectTableProps {
  projects: ProjectSettings[]
  defaults: Defaults
  ownsServer: boolean
  ask(asked: Asked): void
}

function ProjectTable({ projects, defaults, ownsServer, ask }: ProjectTableProps) {
  const { admin } = useTexts()
  const texts = admin.projects
  const format = useFormat()
  const user = useUser()
  const retention = (days: number) => (days === 0 ? texts.forever : texts.days(format.number(days)))
  const quota = (events: number) => (events === 0 ? texts.noQuota : format.number(events))
  const mayChange = (id: string) => ownsServer || includes(user.roles[id], 'admin')
  const columns = [texts.id, texts.name, texts.timeZone, texts.currency, texts.retention, texts.quota, texts.actions]
  return (
    <ScrollRegion label={texts.title} className="px-2 py-2">
      <DataTable
        caption={texts.title}
        columns={columns.map((name) => ({ name }))}
        rows={projects.map((project) => ({
          key: project.id,
          cells: [
            project.id,
            project.name,
            project.timeZone ?? defaults.timeZone,
            project.currency ?? defaults.currency,
            retention(project.retentionDays ?? defaults.retentionDays),
            quota(project.eventsPerDay ?? defaults.eventsPerDay),
            <span key="actions" className="flex gap-1">
              {mayChange(project.id) && (
                <Button look="quiet" onClick={() => ask({ action: 'edit', project })}>
                  {texts.edit}
                </Button>
              )}
              {ownsServer && project.id !== DEFAULT_PROJECT && (
                <Button look="quiet" onClick={() => ask({ action: 'remove', project })}>
                  {texts.remove}
                </Button>
              )}
            </span>,
          ],
        }))}
      />
    </ScrollRegion>
  )
}

/** Creates a project, or changes one. An empty field has the setting of the server. */
function Settings({ project, defaults, onClose }: { project?: ProjectSettings; defaults: Defaults; onClose(): void }) {
  const { admin, common, forms } = useTexts()
  const texts = admin.projects
  const { create, update } = useProjectChanges()
  const whole = z.string().check(z.trim(), z.regex(/^\d*$/, forms.whole))
  const schema = z.object({
    id: z.optional(z.string().check(z.trim(), z.regex(/^[a-z0-9][a-z0-9-]{0,31}$/, texts.idHint))),
    name: z.string().check(z.trim(), z.maxLength(128, forms.longest(128))),
    timeZone: z.string().check(z.trim()),
    currency: z.string().check(z.trim(), z.toUpperCase()),
    eventTypes: z.string(),
    retentionDays: whole,
    eventsPerDay: whole,
  })
  const form = useForm(schema, async ({ id, name, timeZone, currency, eventTypes, retentionDays, eventsPerDay }) => {
    const types = eventTypes.split(/[\s,]+/).filter(Boolean)
    const body = {
      ...(name !== '' && { name }),
      timeZone: timeZone || null,
      currency: currency || null,
      eventTypes: types.length === 0 ? null : types,
      retentionDays: retentionDays === '' ? null : Number(retentionDays),
      eventsPerDay: eventsPerDay === '' ? null : Number(eventsPerDay),
    }
    if (project === undefined) await create.mutateAsync({ id: id ?? '', ...body })
    else await update.mutateAsync({ id: project.id, body })
    onClose()
  })
  const empty = (setting: string | number) => ({ placeholder: texts.server(String(setting)) })
  return (
    <Modal
      title={project === undefined ? texts.create : texts.editTitle(project.name)}
      hint={texts.emptyHint}
      open
      onClose={onClose}
      close={common.close}
    >
      <form noValidate onSubmit={form.onSubmit} className="flex flex-col gap-4">
        <FormFailure error={form.failure} />
        {project === undefined && <Field name="id" label={texts.id} hint={texts.idHint} error={form.errors.id} />}
        <Field name="name" label={texts.name} defaultValue={project?.name} error={form.errors.name} />
        <Field
          name="timeZone"
          label={texts.timeZone}
          list="time-zones"
          defaultValue={project?.timeZone ?? ''}
          {...empty(defaults.timeZone)}
          error={form.errors.timeZone}
        />
        <Suggestions id="time-zones" values={Intl.supportedValuesOf('timeZone')} />
        <Field
          name="currency"
          label={texts.currency}
          defaultValue={project?.currency ?? ''}
          {...empty(defaults.currency)}
          maxLength={8}
          error={form.errors.currency}
        />
        <Area
          name="eventTypes"
          label={texts.eventTypes}
          hint={texts.eventTypesHint}
          defaultValue={project?.eventTypes?.join(' ') ?? ''}
          error={form.errors.eventTypes}
        />
        <Field
          name="retentionDays"
          label={texts.retention}
          hint={texts.retentionHint}
          inputMode="numeric"
          defaultValue={project?.retentionDays ?? ''}
          {...empty(defaults.retentionDays)}
          error={form.errors.retentionDays}
        />
        <Field
          name="eventsPerDay"
          label={texts.quota}
          hint={texts.quotaHint}
          inputMode="numeric"
          defaultValue={project?.eventsPerDay ?? ''}
          {...empty(defaults.eventsPerDay)}
          error={form.errors.eventsPerDay}
        />
        <Button type="submit" look="primary" busy={form.busy}>
          {project === undefined ? texts.create : common.save}
        </Button>
      </form>
    </Modal>
  )
}

function Remove({ project, onClose }: { project: ProjectSettings; onClose(): void }) {
  const { admin } = useTexts()
  const texts = admin.projects
  const { remove } = useProjectChanges()
  const [withEvents, setWithEvents] = useState(false)
  return (
    <Confirm
      title={texts.removeTitle(project.name)}
      hint={texts.removeHint}
      action={withEvents ? texts.removeAll : texts.remove}
      onConfirm={() => remove.mutateAsync({ id: project.id, events: withEvents ? 'delete' : 'keep' })}
      onClose={onClose}
    >
      <label className="flex items-center gap-2 text-sm">
        <input type="checkbox" className="size-4 accent-strong" checked={withEvents} onChange={({ target }) => setWithEvents(target.checked)} />
        {texts.withEvents}
      </label>
    </Confirm>
  )
}
