/* The bank's 3-D Secure page of the sandbox. Closing it counts as failing, as at Stripe. */
"use strict";

let answer = () => {}; // of the question that is open

serve({
  ask: ({ key, clientSecret }) =>
    new Promise((resolve) => {
      answer = async (outcome) => {
        answer = () => {};
        resolve(finished(await send(key, clientSecret, outcome)));
      };
      // Not before: a press that comes too early would answer nothing.
      for (const button of document.querySelectorAll("button")) button.disabled = false;
      document.getElementById("test-source-authorize-3ds").focus();
    }),
  cancel: () => void answer("fail"),
});

/** The sandbox's own call; no card data is needed for it. */
const send = (key, secret, outcome) =>
  callApi("POST", `${pathOf(secret)}/_sandbox_authenticate`, { key, client_secret: secret, outcome });

/** A failed check comes back as an error that holds the intent, as from a confirmation. */
function finished(result) {
  const { object: intent } = result;
  if (intent?.status !== "requires_payment_method") return result;
  const error = intent.last_payment_error || intent.last_setup_error;
  return error ? { error: { ...error, [intent.object]: intent } } : result;
}

document.getElementById("test-source-authorize-3ds").addEventListener("click", () => answer("pass"));
document.getElementById("test-source-fail-3ds").addEventListener("click", () => answer("fail"));
document.getElementById("close").addEventListener("click", () => answer("fail"));
addEventListener("keydown", (event) => event.key === "Escape" && answer("fail"));
