// Shoppers who browse a shop. Its pages send their events in batches and wait until these are on disk.
import http from 'k6/http'
import { check, sleep } from 'k6'
import { Counter } from 'k6/metrics'
import exec from 'k6/execution'

const url = `${__ENV.SERVER_URL}/events?ack=durable`
const batch = Number(__ENV.BATCH)
const scale = Number(__ENV.SECONDS) / 30
const accepted = new Counter('events_accepted')
// The seconds of all virtual users in all stages. In that time they send 300,000 events.
const userSeconds = (100 * 10) / 2 + ((100 + 500) / 2) * 15 + (500 * 5) / 2
const period = (batch * userSeconds) / 300000

export const options = {
  scenarios: {
    shoppers: {
      executor: 'ramping-vus',
      startVUs: 0,
      gracefulRampDown: '10s',
      stages: [
        { duration: `${10 * scale}s`, target: 100 },
        { duration: `${15 * scale}s`, target: 500 },
        { duration: `${5 * scale}s`, target: 0 },
      ],
    },
  },
  // Tags cost k6 processor time that the server could use.
  systemTags: ['status'],
  summaryTrendStats: ['avg', 'med', 'p(95)', 'p(99)', 'max'],
}

const types = ['page_view', 'page_view', 'page_view', 'search', 'add_to_cart', 'purchase']

function event(user, session, number) {
  const type = types[number % types.length]
  const properties = { page: `/products/${number % 500}`, referrer: 'https://shop.example/', position: number }
  if (type === 'purchase') {
    properties.total = `${10 + (number % 90)}.50`
  }
  return { userId: user, sessionId: session, type, properties }
}

// The bodies are built before the first request, because building them would be most of the work of this machine. The
// server makes the ids, so a body that is sent again is new events, and a short run needs few bodies.
const bodies = Array.from({ length: Math.ceil(40 * Math.min(scale, 1)) }, (_, visit) => {
  const user = `shopper-${__VU}-${visit % 20}`
  return JSON.stringify(Array.from({ length: batch }, (_, place) => event(user, `s-${user}`, visit * batch + place)))
})
const request = { headers: { 'Content-Type': 'application/json' } }
const expected = `"accepted":${batch},`

// When this shopper sends again. It follows a clock, so that one slow response does not delay all later requests.
let due = 0

export default function () {
  due = Math.max(due, Date.now() - 1000 * period) + 1000 * period
  const response = http.post(url, bodies[exec.vu.iterationInInstance % bodies.length], request)
  const acknowledged = check(response, {
    'status is 202': (response) => response.status === 202,
    'all events accepted': (response) => response.status === 202 && response.body.includes(expected),
  })
  if (acknowledged) {
    accepted.add(batch)
  }
  sleep(Math.max(0, due - Date.now()) / 1000)
}
