// Stores events in MongoDB with Express and Mongoose: a buffer in memory, and insertMany.
//
//   node server.js PORT mongodb://...
//
// POST /events takes an event or an array of events, and answers 202 when they are in the buffer. Every 200 ms, and
// when the buffer holds 2,000 events, up to 2,000 of them go to an unordered insertMany. Several inserts may be in
// flight. GET /state returns the counts of waiting, stored and failed events. SIGTERM stores the rest of the buffer and
// exits.

import express from "express";
import mongoose from "mongoose";

const [port, uri] = process.argv.slice(2);
const BATCH = 2000;
const INTERVAL = 200;

const schema = new mongoose.Schema(
  {
    userId: { type: String, required: true },
    sessionId: String,
    type: { type: String, required: true },
    occurredAt: { type: Date, default: Date.now },
    receivedAt: { type: Date, default: Date.now },
    properties: { type: mongoose.Schema.Types.Mixed, default: {} },
  },
  { versionKey: false },
);
schema.index({ userId: 1, occurredAt: 1 });
const Event = mongoose.model("Event", schema, "events");

let buffer = [];
let inFlight = 0;
let stored = 0;
let failed = 0;

async function flush() {
  if (buffer.length === 0) return;
  const batch = buffer.slice(0, BATCH);
  buffer = buffer.slice(BATCH);
  inFlight += batch.length;
  try {
    stored += (await Event.insertMany(batch, { ordered: false })).length;
  } catch (error) {
    failed += batch.length;
    console.error(error.message);
  } finally {
    inFlight -= batch.length;
  }
}

const app = express();
app.use(express.json({ limit: "8mb" }));
app.post("/events", (request, response) => {
  const events = Array.isArray(request.body) ? request.body : [request.body];
  if (!events.every((event) => typeof event?.userId === "string" && typeof event?.type === "string")) {
    response.status(400).json({ error: "userId and type are required" });
    return;
  }
  for (const event of events) buffer.push(event);
  response.status(202).json({ accepted: events.length });
  if (buffer.length >= BATCH) void flush();
});
app.get("/state", (_, response) => {
  response.json({ waiting: buffer.length + inFlight, stored, failed });
});

await mongoose.connect(uri, { maxPoolSize: 10 });
await Event.init();
const timer = setInterval(flush, INTERVAL);
const server = app.listen(Number(port), "127.0.0.1");

process.on("SIGTERM", async () => {
  clearInterval(timer);
  server.close();
  while (buffer.length > 0) await flush();
  await mongoose.disconnect();
});
