/* Shared by the frames: calls to the API as a browser makes them, and the channel to the page that holds the frame. */
"use strict";

const IS_LOCAL = ["127.0.0.1", "localhost", "[::1]"].includes(location.hostname);
const API = IS_LOCAL ? location.origin : "https://api.stripe.com";

/** `{a: {b: 1}}` as Stripe's form encoding has it: `a[b]=1`. Empty values are left out. */
function encode(value, name = "", form = new URLSearchParams()) {
  if (value === undefined || value === null) return form;
  if (typeof value !== "object") form.append(name, value);
  else for (const [key, part] of Object.entries(value)) encode(part, name ? `${name}[${key}]` : key, form);
  return form;
}

/** Resolves with `{object}` or with `{error}` in Stripe's shape; it never rejects. */
async function callApi(method, path, params) {
  const form = encode(params);
  const url = `${API}/v1/${path}${method === "GET" ? `?${form}` : ""}`;
  try {
    const response = await fetch(url, { method, body: method === "GET" ? undefined : form });
    const body = await response.json();
    return response.ok ? { object: body } : { error: body.error };
  } catch {
    return {
      error: {
        type: "api_connection_error",
        message:
          "We are experiencing issues connecting to our payments provider. Please check your internet connection and try again.",
      },
    };
  }
}

/** `payment_intents/pi_…` of a client secret. */
function pathOf(secret) {
  const id = secret.split("_secret_")[0];
  return `${id.startsWith("pi_") ? "payment_intents" : "setup_intents"}/${id}`;
}

/** Answer the page's calls with `methods`; returns a function that sends it an event. */
function serve(methods) {
  let port = null;
  addEventListener("message", (event) => {
    if (event.data !== "open" || event.source !== parent || port) return;
    [port] = event.ports;
    port.onmessage = async ({ data: { id, method, argument } }) =>
      port.postMessage({ id, result: (await methods[method](argument)) ?? {} });
  });
  return (event, detail) => port?.postMessage({ event, detail });
}
