// Icons of 24 units, drawn in the color of the text around them.

const PATHS = {
  overview: 'M4 20V10m6 10V4m6 16v-7m4 7H2',
  users: 'M9 11a4 4 0 1 0 0-8 4 4 0 0 0 0 8Zm-7 10a7 7 0 0 1 14 0m0-17a4 4 0 0 1 0 7m3 10a7 7 0 0 0-3-5.7',
  events: 'M3 12h4l3-8 4 16 3-8h4',
  admin: 'M12 3l8 3v6c0 5-3.5 8-8 9-4.5-1-8-4-8-9V6l8-3Z',
  start: 'M5 12h14m-6-6 6 6-6 6',
  account: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8Zm-8 9a8 8 0 0 1 16 0',
  api: 'm8 8-4 4 4 4m8-8 4 4-4 4M14 5l-4 14',
  search: 'M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14Zm5-2 5 5',
  info: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Zm0-10v6m0-9.5v.5',
  table: 'M4 5h16v14H4V5Zm0 5h16M4 14.5h16M10 10v9',
  chart: 'M4 19h16M5 15l4-5 4 3 6-8',
  download: 'M12 4v11m-5-5 5 5 5-5M5 20h14',
  picture: 'M4 5h16v14H4V5Zm0 11 5-5 4 4 3-3 4 4M9 9.5v.01',
  close: 'm6 6 12 12M18 6 6 18',
  menu: 'M4 7h16M4 12h16M4 17h16',
  copy: 'M9 9h11v11H9V9Zm-4 6H4V4h11v1',
  check: 'm5 12 5 5 9-10',
  pause: 'M9 5v14m6-14v14',
  play: 'm8 5 11 7-11 7V5Z',
  up: 'm6 15 6-6 6 6',
  down: 'm6 9 6 6 6-6',
  settings: 'M4 8h10m4 0h2M4 16h2m4 0h10M16 10a2 2 0 1 0 0-4 2 2 0 0 0 0 4Zm-8 8a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z',
} as const

export type IconName = keyof typeof PATHS

export function Icon({ name, className = 'size-4' }: { name: IconName; className?: string }) {
  return (
    <svg
      viewBox="0 0 24 24"
      aria-hidden
      className={className}
      fill="none"
      stroke="currentColor"
      strokeWidth="2"
      strokeLinecap="round"
      strokeLinejoin="round"
    >
      <path d={PATHS[name]} />
    </svg>
  )
}
