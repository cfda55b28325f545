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
  async function askStart(again = true) {
    let response;
    try {
      response = await ask(start, "POST");
    } catch {
      return show("blocked");
    }
    const answer = await response.json().catch(() => ({}));
    if (response.ok) return answer;
    if (response.status === 409) {
      if (answer.changed) amountChanged(answer.amount_text);
      const state = await loadCard().catch(() => "ready");
      if (!isOpen(state)) return null;
      if (again) return askStart(false); // the row was behind Stripe and has caught up
    }
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
  async function loadCard(returned = false) {
    const response = await ask(card);
    const state = response.headers.get("x-pay-state");
    if (state === "expired") location.reload();
    if (!response.ok || !state) throw new Error("no card");
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    for (const part of fresh.querySelectorAll("[data-swap]")) $(part.dataset.swap).replaceChildren(part.content);
    if (returned || state !== shownState()) replaceCard(fresh.getElementById("card"), state, returned);
    return state;
  }

  function replaceCard(next, state, returned) {
    const old = $("card");
    const held = old.contains(document.activeElement);
    element?.destroy();
    element = elements = session = null;
    ready = false;
    old.replaceWith(next);
    document.title = next.dataset.title;
    const heading = $("card-title");
    if (held) heading.focus();
    else say([heading, next.querySelector(".msg")].map((part) => part?.textContent ?? "").join(" "));
    if (isOpen(state)) begin(returned);
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
    if (template) $("card-title").focus();
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
    $("submit")?.setAttribute("aria-busy", on);
    if (!on) element?.update({ readOnly: false });
    showLabel();
  }

  function showLabel() {
    if (!$("label")) return;
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
    const form = $("payment");
    if (!form) return;
    form.addEventListener("submit", submit);
    setTimeout(() => form.isConnected && !ready && sayStillLoading(), SLOW_MS);
    if (returned) show("waiting");
    const [answer, Stripe] = await Promise.all([askStart(), stripeLoaded()]);
    if (!answer || !form.isConnected) return;
    if (!Stripe) return show("blocked");
    stripe ??= Stripe(answer.publishable_key);
    const { paymentIntent: intent } = returned ? await stripe.retrievePaymentIntent(answer.client_secret) : {};
    if (isUnderWay(intent)) return decide(intent);
    if (returned) show();
    mount(answer);
    if (intent?.last_payment_error) return refuse(intent.last_payment_error);
    if (!returned) await lookBehind(answer.client_secret);
  }

  const microdepositsUrl = (intent) => intent?.next_action?.verify_with_microdeposits?.hosted_verification_url;
  const isUnderWay = (intent) =>
    !!intent && (["succeeded", "processing"].includes(intent.status) || !!microdepositsUrl(intent));

  /** An attempt made elsewhere may be under way though the server has not heard of it yet. */
  async function lookBehind(secret) {
    const { paymentIntent } = await stripe.retrievePaymentIntent(secret);
    if (isUnderWay(paymentIntent) && !paying) await decide(paymentIntent);
  }

  function mount(answer) {
    session = answer;
    setReady(false);
    $("label").dataset.pay = `Pay ${answer.amount_text}`;
    const saved = answer.customer_session ? { customerSessionClientSecret: answer.customer_session } : {};
    elements = stripe.elements({ clientSecret: answer.client_secret, appearance: appearance(), loader: "auto", ...saved });
    const express = offerExpress();
    element = elements.create("payment", { layout: { type: "accordion", radios: "always", spacedAccordionItems: false } });
    element.on("ready", async () => {
      await Promise.race([express, sleep(EXPRESS_MS)]);
      setReady(true);
    });
    element.on("loaderror", async () => {
      if (isOpen(await loadCard().catch(() => "ready"))) show("unavailable");
    });
    element.on("change", ({ value }) => {
      method = value.type;
      showLabel();
    });
    element.mount("#element");
    showLabel();
  }

  /** Wallet buttons, where the portal's domain may have them and the device has any: resolves when that is known. */
  const offerExpress = () =>
    new Promise((done) => {
      if (!$("express")) return done();
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

  function sayStillLoading() {
    $("slow").hidden = false;
    say($("slow").textContent);
  }

  function setReady(on) {
    ready = on;
    if (!$("options")) return;
    $("skeleton").hidden = on;
    if (on) $("slow").hidden = true;
    $("options").classList.toggle("loading", !on);
  }

  // ---- paying

  /** Returns Stripe's error, if any, after the page has shown what came out. */
  async function submit(event) {
    event.preventDefault?.();
    if (paying) return null;
    if (!ready) return sayStillLoading();
    $("message").replaceChildren();
    setPaying(true);
    const { error, paymentIntent } = await confirm().catch((failure) => ({ error: { type: "api_error", failure } }));
    setPaying(false);
    if (error) await refuse(error);
    else if (paymentIntent) await decide(paymentIntent);
    if (missed) await changed();
    return error;
  }

  async function confirm() {
    const checked = await elements.submit();
    if (checked.error) return checked;
    element.update({ readOnly: true });
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
      element?.destroy();
      $("express")?.replaceChildren();
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
    const url = microdepositsUrl(intent);
    if (!url) return settle();
    show("microdeposits");
    $("view").querySelector("[data-link]").href = url;
  }

  /** Say why it failed. A failure that may hide a success is never told before the server has looked. */
  async function refuse(error) {
    if (error.type === "validation_error") return null; // shown in the form, beside the field
    const texts = $("declines").content;
    const find = (code) => code != null && texts.querySelector(`[data-code="${CSS.escape(code)}"]`);
    const other = method === "us_bank_account" ? "bank" : "";
    const text = find(error.decline_code) || find(error.code) || (error.type === "card_error" && find(other));
    if (text) return tell("declined", text.textContent, text.dataset.advice);
    if (!(await settle(true))) return null;
    missed = true; // the attempt may have failed because the payment is another one by now
    return tell("unsure");
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
    await loadCard(true).catch(() => begin(true));
  }

  $("details").open = matchMedia("(min-width: 52rem)").matches;
  night.addEventListener("change", () => elements?.update({ appearance: appearance() }));
  addEventListener("pageshow", (event) => event.persisted && location.reload());
  if (!["void", "expired", "paid"].includes(shownState())) listen();
  if (new URLSearchParams(location.search).has("payment_intent")) comeBack();
  else begin();
})();
