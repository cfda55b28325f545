// node syncengine.cjs migrate | serve PORT PROCESSES
// The library's CommonJS build: its other one does not find its migrations.
const cluster = require('node:cluster')
const http = require('node:http')
const { StripeSync, runMigrations } = require('@supabase/stripe-sync-engine')
const { Stripe } = require('stripe')

const [verb, port, processes] = process.argv.slice(2)
const key = 'sk_test_' + '0'.repeat(24)

function engine() {
  const made = new StripeSync({
    poolConfig: {}, // the environment says where the database is
    stripeSecretKey: key,
    stripeWebhookSecret: process.env.WEBHOOK_SECRET,
  })
  // It has no option for the provider's address.
  made.stripe = new Stripe(key, { host: '127.0.0.1', port: process.env.PROVIDER_PORT, protocol: 'http', telemetry: false })
  return made
}

async function answer(sync, request, response) {
  const parts = []
  for await (const part of request) parts.push(part)
  try {
    await sync.processWebhook(Buffer.concat(parts), request.headers['stripe-signature'])
    response.writeHead(200).end('ok')
  } catch (problem) {
    console.error(problem.message)
    response.writeHead(400).end()
  }
}

async function migrate() {
  let failed = false
  const error = (...words) => { failed = true; console.error(...words) }
  await runMigrations({ schema: 'stripe', logger: { info() {}, error } })
  process.exit(failed ? 1 : 0)
}

function serve() {
  if (cluster.isPrimary && Number(processes) > 1) {
    for (let n = 0; n < Number(processes); n++) cluster.fork()
    return
  }
  const sync = engine()
  http.createServer((request, response) => answer(sync, request, response)).listen(Number(port), '127.0.0.1')
}

if (verb === 'migrate') migrate()
else serve()
