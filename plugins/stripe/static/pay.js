/*
 * The pay page's own script; Stripe.js is the only other one. What the page says about the payment comes
 * from the server, which reads Stripe: neither the address nor Stripe.js decides that an invoice is paid.
 * Everything it needs stands in data attributes of #pay and in templates beside the form (stripe/pay.html).
 */
(() => {
  "use strict";

  const page = document.getElementById("pay");
  if (!page) return;
  const { start, live, card, result, csrf } = page.dataset;

  const REQUEST_MS = 20000; // longer than the server's own deadline towards Stripe
  const SLOW_MS = 5000;
  const STRIPE_MS = 30000;
  const EXPRESS_MS = 2000; // wallets that answer later stay away: they would push the form down
  const POLL_MS = 2000;
  const POLLS = 15;

  /** @type {any} */ let stripe;
  let elements, element; // of the form on the page
  let session; // the answer to start: amount and client secret
  let ready = false; // the Payment Element can be filled in
  let paying = false; // Stripe has the payment in its hands
  let missed = false; // the invoice changed meanwhile
  let method = "card";
  let source;

  const $ = (id) => document.getElementById(id);
  const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
  const isOpen = (state) => state === "ready" || state === "partly_paid";
  const shownState = () => $("card").dataset.state;
  const say = (text) => ($("say").textContent = text);

  // ---- the server

  const ask = (url, method = "GET") =>
    fetch(url, {
      method,
      headers: method === "POST" ? { "x-csrftoken": csrf } : {},
      signal: AbortSignal.timeout(REQUEST_MS),
    });

  /** What start answers, or null after the page says why there is nothing to fill in. */
  async function askStart() {
    let response;
    try {
      response = await ask(start, "POST");
    } catch {
      return show("blocked");
    }
    const answer = await response.json().catch(() => ({}));
    if (response.ok) return answer;
    if (response.status === 409 && answer.changed) return amountChanged(answer.amount_text);
    if (response.status === 409 && !isOpen(await loadCard().catch(() => "ready"))) return null;
    return show("unavailable", answer.message);
  }

  /** The state after the server has read Stripe again, or null when it could not. */
  async function askResult() {
    try {
      const response = await ask(result, "POST");
      return response.ok ? (await response.json()).state : null;
    } catch {
      return null;
    }
  }

  /** Bring the page to the invoice's state and return it. A form that can go on is left as it is. */
  async function loadCard() {
    const response = await ask(card);
    const state = response.headers.get("x-pay-state");
    if (!response.ok || !state) throw new Error("no card");
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    const amount = fresh.getElementById("amount-template");
    if (amount) $("amount").replaceChildren(amount.content);
    if (state !== shownState()) replaceCard(fresh.getElementById("card"), state);
    return state;
  }

  function replaceCard(next, state) {
    const old = $("card");
    const held = old.contains(document.activeElement) || document.activeElement === document.body;
    element?.destroy();
    element = elements = session = null;
    ready = false;
    old.replaceWith(next);
    document.title = next.dataset.title;
    const heading = $("card-title");
    if (held) heading.focus();
    else say(heading.textContent);
    if (isOpen(state)) begin();
    if (state === "paid" || state === "void") source?.close();
  }

  // ---- what the card shows

  /** Put one of the views in the place of the form, or the form back without a name. Returns null. */
  function show(name, words = "") {
    const form = $("payment");
    if (!form) return null;
    const template = name && $("card").querySelector(`template[data-view=${name}]`);
    const own = $("card").querySelector(":scope > h2");
    form.hidden = own.hidden = !!template;
    own.id = template ? "" : "card-title";
    $("card").className = template ? template.dataset.class : "card";
    $("view").replaceChildren(...(template ? [template.content.cloneNode(true)] : []));
    const slot = $("view").querySelector("[data-words]");
    if (slot) slot.textContent = words;
    if (template) $("card-title").focus({ preventScroll: name === "waiting" });
    return null;
  }

  /** Show a message above the form and move the focus to it. `words` go into its bold and plain part. */
  function tell(name, happened = "", advice = "") {
    show();
    const message = $(name).content.firstElementChild.cloneNode(true);
    if (happened) message.querySelector("b").textContent = happened;
    if (advice) message.querySelector("span").textContent = advice;
    $("message").replaceChildren(message);
    message.focus();
    return null;
  }

  function setPaying(on) {
    paying = on;
    $("submit").setAttribute("aria-disabled", on);
    element?.update({ readOnly: on });
    showLabel();
  }

  function showLabel() {
    const { pay } = $("label").dataset;
    $("label").textContent = paying ? "Paying…" : method === "us_bank_account" ? `${pay} from bank` : pay;
    $("bank").hidden = method !== "us_bank_account";
  }

  function amountChanged(text) {
    $("label").dataset.pay = `Pay ${text}`;
    showLabel();
    return tell("changed", `The amount changed to ${text}.`);
  }

  // ---- the form

  const night = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (document.documentElement.dataset.theme || (night.matches ? "dark" : "light")) === "dark";

  function appearance() {
    const [theme, colorBackground, colorText, colorTextSecondary, colorDanger, colorPrimary] = isDark()
      ? ["night", "#0d1526", "#eef2f8", "#a9b6c9", "#fda4ab", "#a5b4fc"]
      : ["stripe", "#ffffff", "#0f172a", "#4b586b", "#b3202e", "#4f46e5"];
    return {
      theme,
      variables: {
        colorBackground, colorText, colorTextSecondary, colorDanger, colorPrimary,
        borderRadius: "8px",
        fontFamily: getComputedStyle(document.body).fontFamily,
      },
    };
  }

  /** Stripe.js once it is there; undefined when it cannot be loaded. Its script delays the page's load event. */
  const stripeLoaded = () =>
    new Promise((done) => {
      const look = () => {
        if (window.Stripe || document.readyState === "complete") done(window.Stripe);
      };
      for (const script of document.querySelectorAll("script[async]")) script.addEventListener("load", look);
      addEventListener("load", look);
      setTimeout(done, STRIPE_MS);
      look();
    });

  /** Fill the form that the server rendered. `returned`: the visitor comes back from a bank's page. */
  async function begin(returned = false) {
    if (!$("payment")) return;
    $("payment").addEventListener("submit", submit);
    setTimeout(() => $("slow") && ($("slow").hidden = ready), SLOW_MS);
    const [answer, Stripe] = await Promise.all([askStart(), stripeLoaded()]);
    if (!answer) return;
    if (!Stripe) {
      show("blocked");
      return;
    }
    stripe ??= Stripe(answer.publishable_key);
    mount(answer);
    await lookBehind(answer.client_secret, returned);
  }

  function mount(answer) {
    session = answer;
    $("label").dataset.pay = `Pay ${answer.amount_text}`;
    elements = stripe.elements({ clientSecret: answer.client_secret, appearance: appearance(), loader: "auto" });
    const express = offerExpress();
    element = elements.create("payment", { layout: { type: "accordion", radios: "always", spacedAccordionItems: false } });
    element.on("ready", async () => {
      await Promise.race([express, sleep(EXPRESS_MS)]);
      reveal();
    });
    element.on("loaderror", () => show("unavailable"));
    element.on("change", ({ value }) => {
      method = value.type;
      showLabel();
    });
    element.mount("#element");
    showLabel();
  }

  /** Wallet buttons, where the device has any: resolves when that is known. */
  const offerExpress = () =>
    new Promise((done) => {
      const express = elements.create("expressCheckout", { buttonHeight: 46 });
      express.on("ready", ({ availablePaymentMethods: wallets }) => {
        if (!ready) $("or").hidden = !wallets;
        done();
      });
      express.on("confirm", async (event) => {
        if (await submit(event)) event.paymentFailed({ reason: "fail" });
      });
      express.mount("#express");
    });

  function reveal() {
    ready = true;
    $("skeleton").hidden = $("slow").hidden = true;
    $("options").classList.remove("loading");
  }

  /** Stripe may know of an earlier attempt: one that is under way, or the one that sent the visitor back. */
  async function lookBehind(secret, returned) {
    const { paymentIntent: intent } = await stripe.retrievePaymentIntent(secret);
    if (!intent || paying) return;
    if (["succeeded", "processing"].includes(intent.status) || showMicrodeposits(intent)) await decide(intent);
    else if (returned && intent.last_payment_error) await refuse(intent.last_payment_error);
  }

  // ---- paying

  /** Returns Stripe's error, if any, after the page has shown what came out. */
  async function submit(event) {
    event.preventDefault?.();
    if (paying) return null;
    if (!ready) return say($("slow").textContent);
    $("message").replaceChildren();
    setPaying(true);
    const { error, paymentIntent } = await confirm().catch((failure) => ({ error: { type: "api_error", failure } }));
    setPaying(false);
    if (error) await refuse(error);
    else await decide(paymentIntent);
    if (missed) await changed();
    return error;
  }

  async function confirm() {
    const checked = await elements.submit();
    if (checked.error) return checked;
    if (source?.readyState !== EventSource.OPEN && !(await isCurrent())) return {};
    const confirmParams = { return_url: session.return_url };
    return stripe.confirmPayment({ elements, confirmParams, redirect: "if_required" });
  }

  /** Without live news the amount on the button may be old: ask before money moves. */
  async function isCurrent() {
    const answer = await askStart();
    return !!answer && takeAmount(answer);
  }

  /** Take a fresh answer of start into the open form; false when the amount is another one. */
  function takeAmount(answer) {
    const before = session;
    if (!before || answer.client_secret !== before.client_secret) {
      $("element").replaceChildren();
      element?.destroy();
      mount(answer);
    } else {
      session = answer;
      elements.fetchUpdates();
    }
    if (before?.amount_minor === answer.amount_minor) return true;
    amountChanged(answer.amount_text);
    return false;
  }

  async function decide(intent) {
    if (!intent) return;
    if (showMicrodeposits(intent)) show("microdeposits");
    else await settle();
    const link = $("view")?.querySelector("[data-link]");
    if (link) link.href = showMicrodeposits(intent);
  }

  const showMicrodeposits = (intent) => intent.next_action?.verify_with_microdeposits?.hosted_verification_url;

  /** Say why it failed. A failure that may hide a success is never told before the server has looked. */
  async function refuse(error) {
    if (error.type === "validation_error") return null; // shown in the form, beside the field
    const texts = $("declines").content;
    const find = (code) => code && texts.querySelector(`[data-code="${CSS.escape(code)}"]`);
    const other = error.type === "card_error" && (method === "us_bank_account" ? "bank" : null);
    const text =
      find(error.decline_code) ||
      find(error.code) ||
      (error.type === "card_error" && (find(other) || texts.querySelector('[data-code=""]')));
    if (text) return tell("declined", text.textContent, text.dataset.advice);
    return (await settle(true)) && tell("unsure");
  }

  /**
   * Wait until the server knows. `unsure`: it may have failed, so a server that has looked and still finds
   * the invoice open ends the wait. Returns true in that case.
   */
  async function settle(unsure = false) {
    show("waiting");
    for (let left = POLLS; left > 0; left--) {
      const state = unsure || left === POLLS ? await askResult() : null;
      if (unsure && isOpen(state)) return true;
      const told = source?.readyState === EventSource.OPEN;
      if (state || !told || left === 1) await loadCard().catch(() => null);
      if (!isOpen(shownState())) return false;
      await sleep(POLL_MS);
    }
    show("late");
    return false;
  }

  // ---- news

  /** The invoice changed, in another tab, at the bank, or at the merchant's. */
  async function changed() {
    missed = paying;
    if (paying) return;
    try {
      if (isOpen(await loadCard()) && session && $("view").childElementCount === 0) {
        const answer = await askStart();
        if (answer) takeAmount(answer);
      }
    } catch {
      // the next event, or the visitor's next step, brings the state again
    }
  }

  function listen() {
    let opened = false;
    source = new EventSource(live);
    source.addEventListener("changed", changed);
    source.addEventListener("open", () => {
      if (opened) changed();
      opened = true;
    });
  }

  async function comeBack() {
    history.replaceState(null, "", location.pathname.replace(/\/return$/, ""));
    show("waiting");
    await askResult();
    const state = await loadCard().catch(() => null);
    if (!isOpen(state || shownState())) return;
    show();
    await begin(true);
  }

  $("details").open = matchMedia("(min-width: 52rem)").matches;
  night.addEventListener("change", () => elements?.update({ appearance: appearance() }));
  addEventListener("pageshow", (event) => event.persisted && location.reload());
  if (!["void", "expired", "paid"].includes(shownState())) listen();
  if (new URLSearchParams(location.search).has("redirect_status")) comeBack();
  else begin();
})();
