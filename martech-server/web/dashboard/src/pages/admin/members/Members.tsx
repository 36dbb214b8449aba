import { useState } from 'react'
import * as z from 'zod/mini'
import { Button } from '../../../components/Button.tsx'
import { Card } from '../../../components/Card.tsx'
import { Confirm } from '../../../session/Confirm.tsx'
import { DataTable } from '../../../components/DataTable.tsx'
import { KeepFocus } from '../../../components/KeepFocus.tsx'
import { ScrollRegion } from '../../../components/ScrollRegion.tsx'
import { Field, Select } from '../../../components/Field.tsx'
import { Modal } from '../../../components/Modal.tsx'
import { Secret } from '../../../components/Secret.tsx'
import { Notice, Skeleton } from '../../../components/states.tsx'
import { address, useForm } from '../../../session/form.ts'
import { Failure, FormFailure } from '../../../session/Failure.tsx'
import { Page } from '../../../session/Page.tsx'
import { DEFAULT_PROJECT, useProject } from '../../../session/project.tsx'
import { type Role, useMayOnServer, useUser } from '../../../session/session.tsx'
import { useFormat, useTexts } from '../../../texts/index.tsx'
import { type Member, useInvitations, useMemberChanges, useMembers } from './queries.ts'

const ROLES = ['analyst', 'admin', 'owner'] as const

interface Asked {
  action: 'role' | 'reset' | 'remove'
  member: Member
}

export default function Members() {
  const { admin } = useTexts()
  const texts = admin.members
  const [inviting, setInviting] = useState(false)
  return (
    <Page
      title={texts.title}
      controls={
        <Button look="primary" onClick={() => setInviting(true)}>
          {texts.invite}
        </Button>
      }
    >
      <div className="flex flex-col gap-4">
        <MemberList />
        <InvitationList />
      </div>
      {inviting && <Invite onClose={() => setInviting(false)} />}
    </Page>
  )
}

/** The roles that the user may give. */
function useGrantable(): Role[] {
  const { role } = useProject()
  return ROLES.filter((wanted) => role === 'owner' || (role === 'admin' && wanted === 'analyst'))
}

function MemberList() {
  const { admin } = useTexts()
  const texts = admin.members
  const format = useFormat()
  const { project } = useProject()
  const user = useUser()
  const { data, error, refetch } = useMembers(project.id)
  const [asked, ask] = useState<Asked>()
  const close = () => ask(undefined)
  const grantable = useGrantable()
  const mayReset = useMayOnServer('admin')
  if (data === undefined) return error === null ? <Skeleton className="h-48 rounded-xl" /> : <Failure error={error} onRetry={() => void refetch()} />
  // An account without a role counts as an analyst here.
  const mayChange = ({ role }: Member) => grantable.includes(role ?? 'analyst')
  return (
    <Card title={texts.members}>
      <KeepFocus label={texts.members}>
        <ScrollRegion label={texts.members} className="px-2 pb-2">
          <DataTable
            caption={texts.members}
            columns={[{ name: texts.name }, { name: texts.email }, { name: texts.role }, { name: texts.since }, { name: texts.actions }]}
            rows={data.members.map((member) => ({
              key: member.id,
              cells: [
                member.name,
                member.email,
                member.role == null ? <span className="text-muted">{texts.noRole}</span> : texts.roles[member.role],
                format.date(member.createdAt),
                <span key="actions" className="flex gap-1">
                  {mayChange(member) && grantable.some((role) => role !== member.role) && (
                    <Button look="quiet" onClick={() => ask({ action: 'role', member })}>
                      {texts.changeRole}
                    </Button>
                  )}
                  {mayChange(member) && mayReset && member.id !== user.id && (
                    <Button look="quiet" onClick={() => ask({ action: 'reset', member })}>
                      {texts.resetPassword}
                    </Button>
                  )}
                  {mayChange(member) && (
                    <Button look="quiet" onClick={() => ask({ action: 'remove', member })}>
                      {texts.remove}
                    </Button>
                  )}
                </span>,
              ],
            }))}
          />
        </ScrollRegion>
      </KeepFocus>
      {asked?.action === 'role' && <ChangeRole member={asked.member} roles={grantable} onClose={close} />}
      {asked?.action === 'reset' && <ResetPassword member={asked.member} onClose={close} />}
      {asked?.action === 'remove' && <Remove member={asked.member} onClose={close} />}
    </Card>
  )
}

function ChangeRole({ member, roles, onClose }: { member: Member; roles: Role[]; onClose(): void }) {
  const { admin, common } = useTexts()
  const texts = admin.members
  const { setRole } = useMemberChanges(useProject().project.id)
  const isOwn = member.id === useUser().id
  const [role, choose] = useState<Role>(member.role ?? 'analyst')
  const form = useForm(z.object({}), async () => {
    await setRole.mutateAsync({ id: member.id, role })
    onClose()
  })
  return (
    <Modal title={texts.roleOf(member.email)} {...(isOwn && { hint: texts.ownRole })} open onClose={onClose} close={common.close}>
      <form noValidate onSubmit={form.onSubmit} className="flex flex-col gap-4">
        <FormFailure error={form.failure} />
        <RoleChoice role={role} roles={roles} onChoose={choose} />
        <Button type="submit" look="primary" busy={form.busy}>
          {common.save}
        </Button>
      </form>
    </Modal>
  )
}

function RoleChoice({ role, roles, onChoose }: { role: Role; roles: Role[]; onChoose(role: Role): void }) {
  const { admin } = useTexts()
  const { role: label, roles: names, roleHints } = admin.members
  return <Select label={label} value={role} options={roles.map((role) => [role, `${names[role]}: ${roleHints[role]}`] as const)} onChoose={onChoose} />
}

function Remove({ member, onClose }: { member: Member; onClose(): void }) {
  const { admin } = useTexts()
  const texts = admin.members
  const { project } = useProject()
  const [keep, setKeep] = useState(true)
  const { remove } = useMemberChanges(project.id)
  return (
    <Confirm
      title={texts.removeTitle(member.name || member.email)}
      hint={project.id === DEFAULT_PROJECT ? texts.removeAccount : texts.removeRole}
      action={texts.remove}
      onConfirm={() => remove.mutateAsync({ id: member.id, keys: keep ? 'keep' : 'revoke' })}
      onClose={onClose}
    >
      <label className="flex items-center gap-2 text-sm">
        <input type="checkbox" className="size-4 accent-strong" checked={keep} onChange={({ target }) => setKeep(target.checked)} />
        {texts.keepKeys}
      </label>
    </Confirm>
  )
}

function ResetPassword({ member, onClose }: { member: Member; onClose(): void }) {
  const { admin, common, forms, account } = useTexts()
  const texts = admin.members
  const { resetPassword } = useMemberChanges(useProject().project.id)
  const schema = z.object({ newPassword: z.string().check(z.minLength(8, forms.shortest(8)), z.maxLength(128, forms.longest(128))) })
  const form = useForm(schema, async ({ newPassword }) => {
    await resetPassword.mutateAsync({ id: member.id, newPassword })
    onClose()
  })
  return (
    <Modal title={texts.resetTitle(member.email)} hint={texts.resetHint} open onClose={onClose} close={common.close}>
      <form noValidate onSubmit={form.onSubmit} className="flex flex-col gap-4">
        <FormFailure error={form.failure} />
        <Field
          name="newPassword"
          type="password"
          autoComplete="new-password"
          label={account.newPassword}
          hint={account.passwordHint}
          error={form.errors.newPassword}
        />
        <Button type="submit" look="primary" busy={form.busy}>
          {texts.resetPassword}
        </Button>
      </form>
    </Modal>
  )
}

function Invite({ onClose }: { onClose(): void }) {
  const { admin, common, forms, account } = useTexts()
  const texts = admin.members
  const { invite } = useMemberChanges(useProject().project.id)
  const roles = useGrantable()
  const [role, setRole] = useState<Role>('analyst')
  const schema = z.object({ email: z.union([z.literal(''), address(forms.email)]) })
  const form = useForm(schema, ({ email }) => invite.mutateAsync({ role, ...(email && { email }) }))
  return (
    <Modal title={texts.invite} hint={texts.inviteHint} open onClose={onClose} close={common.close}>
      {invite.data === undefined ? (
        <form noValidate onSubmit={form.onSubmit} className="flex flex-col gap-4">
          <FormFailure error={form.failure} />
          <RoleChoice role={role} roles={roles} onChoose={setRole} />
          <Field name="email" type="email" label={account.email} hint={texts.emailHint} error={form.errors.email} />
          <Button type="submit" look="primary" busy={form.busy}>
            {texts.makeLink}
          </Button>
        </form>
      ) : (
        <Secret label={texts.link} secret={invite.data.link} hint={texts.linkHint} texts={common} />
      )}
    </Modal>
  )
}

function InvitationList() {
  const { admin } = useTexts()
  const texts = admin.members
  const format = useFormat()
  const { project } = useProject()
  const { data, error, refetch } = useInvitations(project.id)
  const { withdraw } = useMemberChanges(project.id)
  if (data === undefined) return error === null ? <Skeleton className="h-32 rounded-xl" /> : <Failure error={error} onRetry={() => void refetch()} />
  return (
    <Card title={texts.invitations}>
      <FormFailure error={withdraw.error ?? undefined} />
      <KeepFocus label={texts.invitations}>
        {data.invitations.length === 0 ? (
          <Notice title={texts.noInvitations} hint={texts.noInvitationsHint} />
        ) : (
          <ScrollRegion label={texts.invitations} className="px-2 pb-2">
            <DataTable
              caption={texts.invitations}
              columns={[{ name: texts.for }, { name: texts.role }, { name: texts.expires }, { name: texts.actions }]}
              rows={data.invitations.map((invitation) => ({
                key: invitation.id,
                cells: [
                  invitation.email ?? texts.anybody,
                  texts.roles[invitation.role],
                  format.dateTime(invitation.expiresAt),
                  <Button
                    key="withdraw"
                    look="quiet"
                    busy={withdraw.isPending && withdraw.variables === invitation.id}
                    onClick={() => withdraw.mutate(invitation.id)}
                  >
                    {texts.withdraw}
                  </Button>,
                ],
              }))}
            />
          </ScrollRegion>
        )}
      </KeepFocus>
    </Card>
  )
}
