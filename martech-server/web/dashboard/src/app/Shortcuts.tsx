import { Modal } from '../components/Modal.tsx'
import { useTexts } from '../texts/index.tsx'

/** The keys of the dashboard. */
export default function Shortcuts({ onClose }: { onClose(): void }) {
  const { common, shortcuts } = useTexts()
  return (
    <Modal title={shortcuts.title} open onClose={onClose} close={common.close}>
      <dl className="grid grid-cols-[auto_1fr] items-center gap-x-4 gap-y-2 text-sm">
        {shortcuts.keys.map(([keys, meaning]) => (
          <div key={keys} className="contents">
            <dt>
              <kbd className="rounded border border-line bg-raised px-1.5 py-0.5 font-mono text-xs">{keys}</kbd>
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
    </Modal>
  )
}
