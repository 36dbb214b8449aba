// Shoppers who browse: their shops' pages send what they did, some events at a time, and wait until it is on disk.
import http from 'k6/http'
import { check, sleep } from 'k6'
import { Counter } from 'k6/metrics'
import exec from 'k6/execution'

const url = `${__ENV.MARTECH_URL}/events?ack=durable`
const batch = Number(__ENV.BATCH)
const scale = Number(__ENV.SECONDS) / 30
const accepted = new Counter('events_accepted')
// All stages together are so many seconds of virtual users; in that time they are to send all events.
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
  // Each tag of each request costs k6 time of a processor that the server would have.
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

// Made before the first request: on the machine that serves them, making them would be most of the work. The server makes the ids,
// so the same body again is of other events.
const bodies = Array.from({ length: 40 }, (_, visit) => {
  const user = `shopper-${__VU}-${visit % 20}`
  return JSON.stringify(Array.from({ length: batch }, (_, place) => event(user, `s-${user}`, visit * batch + place)))
})
const request = { headers: { 'Content-Type': 'application/json' } }
const expected = `"accepted":${batch},`

// When this shopper comes again: by a clock, so that who had to wait for an answer is not late with all that follow.
let due = 0

export default function () {
  due = Math.max(due, Date.now() - 1000 * period) + 1000 * period
  const answer = http.post(url, bodies[exec.vu.iterationInInstance % bodies.length], request)
  const taken = check(answer, {
    'answered 202': (answer) => answer.status === 202,
    'all taken': (answer) => answer.status === 202 && answer.body.includes(expected),
  })
  if (taken) {
    accepted.add(batch)
  }
  sleep(Math.max(0, due - Date.now()) / 1000)
}
