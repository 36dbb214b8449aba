// Prints the number of documents in the collection `events`. With --drop, drops the database first.
//
//   node count.js mongodb://... [--drop]

import { createRequire } from "node:module";

const { MongoClient } = createRequire(createRequire(import.meta.url).resolve("mongoose"))("mongodb");
const client = new MongoClient(process.argv[2]);
try {
  const events = client.db().collection("events");
  if (process.argv[3] === "--drop") await client.db().dropDatabase();
  console.log(await events.estimatedDocumentCount());
} finally {
  await client.close();
}
