/*
 * The script of the page on which a customer changes how a subscription is paid. Whether another method was taken
 * comes from the server, which reads Stripe: neither the address nor Stripe.js decides it.
 * Everything it needs stands in data attributes of #method and in templates beside the form (stripe/method.html).
 */
(() => {
  "use strict";

  const page = document.getElementById("method");
  if (!page) return;
  const { start, result, csrf } = page.dataset;

  const REQUEST_MS = 20000; // longer than the server's own deadline towards Stripe
  const SLOW_MS = 5000;
  const STRIPE_MS = 30000;
  const POLL_MS = 2000;
  const POLLS = 10;

  let elements, element;
  let session; // the answer to start
  let stripe;
  let ready = false;
  let busy = false;

  const $ = (id) => document.getElementById(id);
  const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
  const form = $("setup");

  const post = (url) =>
    fetch(url, { method: "POST", headers: { "x-csrftoken": csrf }, signal: AbortSignal.timeout(REQUEST_MS) });

  /** What start answers, or null after the page says why there is nothing to fill in. */
  async function askStart() {
    let response;
    try {
      response = await post(start);
    } catch {
      return show("blocked");
    }
    const answer = await response.json().catch(() => ({}));
    if (response.ok) return answer;
    if (response.status === 404 || response.status === 409) {
      location.reload(); // the server says why
      return null;
    }
    return show("unavailable", answer.message);
  }

  /** What the server knows after it has read Stripe: the name of the method if there is a new word, else "". */
  async function askResult() {
    try {
      const response = await post(result);
      const answer = response.ok ? await response.json() : {};
      return answer.agreed && answer.agreed !== session.agreed ? answer.method || "The new method" : "";
    } catch {
      return "";
    }
  }

  /** Put one of the views in the place of everything in the card. Returns null. */
  function show(name, words = "") {
    const view = document.querySelector(`template[data-view=${name}]`);
    element?.destroy();
    element = null;
    $("card").className = view.dataset.class;
    const kept = [...document.querySelectorAll("template")];
    $("card").replaceChildren(view.content.cloneNode(true), ...kept);
    const slot = $("card").querySelector("[data-words]");
    if (slot) slot.textContent = words ?? "";
    $("card-title").focus();
    return null;
  }

  /** A message above the form, with the focus on it. */
  function tell(name, happened = "") {
    const message = $(name).content.firstElementChild.cloneNode(true);
    if (happened) message.querySelector("b").textContent = happened;
    $("message").replaceChildren(message);
    message.focus();
    return null;
  }

  function setBusy(on) {
    busy = on;
    $("submit").setAttribute("aria-busy", on);
    const label = $("label");
    label.dataset.idle ??= label.textContent;
    label.textContent = on ? label.dataset.busy : label.dataset.idle;
    if (!on) element?.update({ readOnly: false });
  }

  const night = matchMedia("(prefers-color-scheme: dark)");

  function appearance() {
    const dark = (document.documentElement.dataset.theme || (night.matches ? "dark" : "light")) === "dark";
    const style = getComputedStyle(document.body);
    const own = (name) => style.getPropertyValue(name);
    return {
      theme: dark ? "night" : "stripe",
      variables: {
        colorBackground: dark ? "#0d1526" : "#ffffff",
        colorText: style.color,
        colorPrimary: own("--brand"),
        borderRadius: "8px",
        fontFamily: style.fontFamily,
      },
    };
  }

  /** Stripe.js once it is there; undefined when it cannot be loaded. */
  const stripeLoaded = () =>
    new Promise((done) => {
      const look = () => (window.Stripe || document.readyState === "complete") && done(window.Stripe);
      for (const script of document.querySelectorAll("script[async]")) script.addEventListener("load", look);
      addEventListener("load", look);
      setTimeout(done, STRIPE_MS);
      look();
    });

  async function begin() {
    form.addEventListener("submit", submit);
    setTimeout(() => !ready && form.isConnected && sayStillLoading(), SLOW_MS);
    const [answer, Stripe] = await Promise.all([askStart(), stripeLoaded()]);
    if (!answer) return;
    if (!Stripe) return show("blocked");
    session = answer;
    stripe = Stripe(answer.publishable_key);
    elements = stripe.elements({ clientSecret: answer.client_secret, appearance: appearance(), loader: "auto" });
    element = elements.create("payment", { layout: { type: "accordion", radios: "always", spacedAccordionItems: false } });
    element.on("ready", () => {
      ready = true;
      $("skeleton").hidden = $("slow").hidden = true;
      $("options").classList.remove("loading");
    });
    element.on("loaderror", () => show("unavailable"));
    element.mount("#element");
    if (answer.deposits_page) remindOf(answer.deposits_page);
  }

  /** A bank account was given earlier and is still to be proved. The form stays: another method can be chosen. */
  function remindOf(page) {
    const message = $("deposits").content.firstElementChild.cloneNode(true);
    message.querySelector("[data-link]").href = page;
    $("message").replaceChildren(message);
  }

  function sayStillLoading() {
    $("slow").hidden = false;
    $("say").textContent = $("slow").textContent;
  }

  async function submit(event) {
    event.preventDefault();
    if (busy) return;
    if (!ready) return sayStillLoading();
    $("message").replaceChildren();
    setBusy(true);
    const { error, setupIntent } = await confirm().catch((failure) => ({ error: { type: "api_error", failure } }));
    if (setupIntent) return decide(setupIntent);
    setBusy(false);
    if (error) await refuse(error);
  }

  async function confirm() {
    const checked = await elements.submit();
    if (checked.error) return checked;
    element.update({ readOnly: true });
    return stripe.confirmSetup({ elements, confirmParams: { return_url: session.return_url }, redirect: "if_required" });
  }

  async function decide(intent) {
    const url = intent.next_action?.verify_with_microdeposits?.hosted_verification_url;
    if (url) {
      show("microdeposits");
      $("card").querySelector("[data-link]").href = url;
      return;
    }
    show("waiting");
    for (let left = POLLS; left > 0; left--) {
      const method = await askResult();
      if (method) return show("saved", method);
      await sleep(POLL_MS);
    }
    show("late");
  }

  /** Say why it failed. A failure that may hide a success is never told before the server has looked. */
  async function refuse(error) {
    if (error.type === "validation_error") return null; // shown in the form, beside the field
    const texts = $("declines").content;
    const find = (code) => code != null && texts.querySelector(`[data-code="${CSS.escape(code)}"]`);
    const code = error.code?.replace(/^setup_intent_/, "payment_intent_");
    const text = find(error.decline_code) || find(code) || (error.type === "card_error" && find(""));
    if (text) return tell("declined", text.textContent);
    const method = await askResult();
    return method ? show("saved", method) : tell("unsure");
  }

  if (location.pathname.endsWith("/return")) {
    history.replaceState(null, "", location.pathname.replace(/\/return$/, ""));
  }
  addEventListener("pageshow", (event) => event.persisted && location.reload());
  night.addEventListener("change", () => elements?.update({ appearance: appearance() }));
  if (form) begin();
})();
