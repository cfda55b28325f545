/* Inside the Payment Element's frame: the inputs, their checks with Stripe's words, and the confirmation itself. */
"use strict";

const $ = (id) => document.getElementById(id);
const FIELDS = { card: ["number", "expiry", "cvc"], us_bank_account: ["name", "email"] };
const ROUTING_NUMBER = "110000000";
const INSTANT_ACCOUNT = "fca_sandbox_"; // an account that needs no micro-deposits; the number follows
const BRANDS = [
  ["amex", "American Express", /^3[47]/, 15, 4],
  ["diners", "Diners Club", /^3(?:0[0-5]|[689])/, 14, 3],
  ["jcb", "JCB", /^35/, 16, 3],
  ["visa", "Visa", /^4/, 16, 3],
  ["mastercard", "Mastercard", /^(?:5[1-5]|2[2-7])/, 16, 3],
  ["discover", "Discover", /^6(?:011|4[4-9]|5)/, 16, 3],
  ["unionpay", "UnionPay", /^62/, 19, 3],
].map(([name, title, pattern, length, cvc]) => ({ name, title, pattern, length, cvc }));
const UNKNOWN = { name: "unknown", title: "", pattern: /^/, length: 19, cvc: 3 };

let setting = {};
const send = serve({ begin, update, validate, confirm, refresh, restyle, collapse, focus, clear });

// ---- what the page asks for

async function begin(given) {
  setting = given;
  restyle(given.appearance);
  const { error } = await refresh();
  if (error) return { error };
  await offerSaved(given.customerSessionClientSecret);
  update(given.element);
  if (!given.element.layout?.defaultCollapsed) choose(first());
  new ResizeObserver(tellHeight).observe(document.body);
  tellHeight();
  tellChange();
  return {};
}

/** Read the intent, as its methods or its amount may have changed. */
async function refresh() {
  if (!setting.clientSecret) {
    offer(setting.currency === "usd" ? ["card", "us_bank_account"] : ["card"]);
    return {};
  }
  const { key, clientSecret } = setting;
  const { object: intent, error } = await callApi("GET", pathOf(clientSecret), { key, client_secret: clientSecret });
  if (error) return { error };
  if (["canceled", "succeeded"].includes(intent.status)) return { error: terminalError(intent) };
  offer(intent.payment_method_types);
  return {};
}

const terminalError = (intent) => ({
  type: "invalid_request_error",
  code: `${intent.object}_unexpected_state`,
  message: `The ${intent.object} is in a terminal state and cannot be used to initialize Elements.`,
  [intent.object]: intent,
});

/** The customer's saved cards, first, and the question whether to save one. The sandbox alone knows of them. */
async function offerSaved(secret) {
  if (!secret || !IS_LOCAL) return;
  const answer = await fetch(`${location.origin}/_sandbox/customer_sessions/${encodeURIComponent(secret)}`).catch(() => null);
  if (!answer?.ok) return;
  const { methods: cards, save } = await answer.json();
  for (const { id, brand: name, last4 } of cards) {
    const item = $("saved").content.cloneNode(true);
    item.querySelector("input").value = id;
    item.querySelector("span").textContent = `${BRANDS.find((one) => one.name === name)?.title || "Card"} ending ${last4}`;
    $("card").before(item);
  }
  $("save").hidden = !save;
}

function update({ readOnly = false } = {}) {
  for (const input of document.querySelectorAll("input, select")) input.disabled = readOnly;
}

function restyle({ theme = "stripe", variables = {} } = {}) {
  document.documentElement.classList.toggle("night", theme === "night");
  for (const [name, value] of Object.entries(variables)) document.documentElement.style.setProperty(`--${name}`, value);
}

function collapse() {
  for (const radio of document.querySelectorAll("[name=method]")) radio.checked = false;
  tellChange();
}

/** The first field that is wrong, else the first. */
function focus() {
  const inputs = `#${FIELDS[selected()] ? selected() : methods()[0]} .body input`;
  (document.querySelector(`${inputs}[aria-invalid=true]`) || document.querySelector(inputs))?.focus();
}

function clear() {
  $("form").reset();
  for (const field of Object.values(FIELDS).flat()) showError(field, null);
  choose(first());
  tellChange();
}

/** elements.submit(): every problem is shown, the first one is returned. */
function validate() {
  const method = selected();
  if (!method) return { error: incomplete("payment_method", "Please select a payment method.") };
  const problems = fieldsOf(method).map((field) => [field, check(field)]);
  for (const [field, problem] of problems) showError(field, problem);
  const [, error] = problems.find(([, problem]) => problem) || [];
  return error ? { error } : { selectedPaymentMethod: method };
}

async function confirm({ clientSecret, params }) {
  const { error } = validate();
  if (error) return { error };
  const { payment_method_data: more = {}, ...rest } = params;
  return callApi("POST", `${pathOf(clientSecret)}/confirm`, {
    ...rest,
    ...(isSaved(selected())
      ? { payment_method: selected() }
      : { payment_method_data: selected() === "card" ? cardData(more) : bankData(more) }),
    setup_future_usage: keeps() ? "on_session" : undefined,
    payment_method_options: optionsOf(selected()),
    use_stripe_sdk: "true",
    key: setting.key,
    client_secret: clientSecret,
  });
}

// ---- what is sent

const isManual = () => $("account").value === "microdeposits";

function cardData(more) {
  const [month, year] = expiryParts();
  const card = { number: digits("number"), exp_month: month, exp_year: 2000 + year, cvc: digits("cvc") };
  return { ...more, type: "card", card, allow_redisplay: keeps() ? "always" : undefined };
}

function bankData(more) {
  const account = isManual()
    ? { account_number: "000123456789", routing_number: ROUTING_NUMBER }
    : { financial_connections_account: INSTANT_ACCOUNT + $("account").value };
  return {
    ...more,
    type: "us_bank_account",
    us_bank_account: { account_holder_type: "individual", ...account },
    billing_details: { ...more.billing_details, name: $("name").value.trim(), email: $("email").value.trim() },
  };
}

/** An account that is typed in by hand is proved the slow way. */
const optionsOf = (method) =>
  method === "us_bank_account" && isManual() ? { us_bank_account: { verification_method: "microdeposits" } } : undefined;

// ---- the methods

const methods = () => Object.keys(FIELDS).filter((method) => !$(method).hidden);
const fieldsOf = (method) => FIELDS[method] || [];
const isSaved = (method) => !!method && !FIELDS[method];
const keeps = () => selected() === "card" && !$("save").hidden && $("keep").checked;
const first = () => document.querySelector(".saved input")?.value || methods()[0];
const selected = () => document.querySelector("[name=method]:checked")?.value;

function offer(types) {
  for (const method of Object.keys(FIELDS)) $(method).hidden = !types.includes(method);
}

function choose(method) {
  const radio = document.querySelector(`[name=method][value=${method}]`);
  if (radio) radio.checked = true;
}

// ---- the checks, in Stripe's words

const digits = (id) => $(id).value.replace(/\D/g, "");
const brand = () => BRANDS.find(({ pattern }) => pattern.test(digits("number"))) || UNKNOWN;
const incomplete = (name, message) => ({ type: "validation_error", code: `incomplete_${name}`, message });
const invalid = (name, message) => ({ type: "validation_error", code: `invalid_${name}`, message });

const check = (field) => CHECKS[field]();

const CHECKS = {
  number() {
    const number = digits("number");
    if (number.length < (brand() === UNKNOWN ? 13 : Math.min(brand().length, 16))) {
      return incomplete("number", "Your card number is incomplete.");
    }
    return passesLuhn(number) ? null : invalid("number", "Your card number is invalid.");
  },
  expiry() {
    if (digits("expiry").length < 4) return incomplete("expiry", "Your card's expiration date is incomplete.");
    const [month, year] = expiryParts();
    const today = new Date();
    const thisYear = today.getFullYear() - 2000;
    if (year < thisYear) return invalid("expiry_year_past", "Your card's expiration year is in the past.");
    if (year === thisYear && month <= today.getMonth()) {
      return invalid("expiry_month_past", "Your card's expiration date is in the past.");
    }
    return month > 12 || month < 1 ? invalid("expiry", "Your card's expiration date is invalid.") : null;
  },
  cvc: () =>
    digits("cvc").length < brand().cvc ? incomplete("cvc", "Your card's security code is incomplete.") : null,
  name: () => ($("name").value.trim() ? null : incomplete("name", "Please provide your full name.")),
  email: () =>
    /^\S+@\S+\.\S+$/.test($("email").value.trim()) ? null : incomplete("email", "Please provide your email address."),
};

const expiryParts = () => [Number(digits("expiry").slice(0, 2)), Number(digits("expiry").slice(2, 4))];

function passesLuhn(number) {
  const sum = [...number].reverse().reduce((total, digit, place) => {
    const value = Number(digit) * (place % 2 ? 2 : 1);
    return total + (value > 9 ? value - 9 : value);
  }, 0);
  return sum % 10 === 0;
}

function showError(field, problem) {
  $(`${field}-error`).textContent = problem ? problem.message : "";
  $(field).setAttribute("aria-invalid", !!problem);
}

// ---- typing

const FORMATS = {
  number: (text) => {
    const number = text.slice(0, brand().length);
    const groups = brand().name === "amex" ? /^(\d{1,4})(\d{1,6})?(\d+)?/ : /(\d{1,4})(\d{1,4})?(\d{1,4})?(\d{1,4})?(\d+)?/;
    return (groups.exec(number) || []).slice(1).filter(Boolean).join(" ");
  },
  expiry: (text) => {
    const padded = /^[2-9]/.test(text) ? `0${text}` : text;
    return padded.length > 2 ? `${padded.slice(0, 2)} / ${padded.slice(2, 4)}` : padded;
  },
  cvc: (text) => text.slice(0, brand().cvc),
};

/** Write the formatted value back and keep the caret behind the digit that it stood behind. */
function format(input) {
  const before = input.value.slice(0, input.selectionStart).replace(/\D/g, "").length;
  const text = FORMATS[input.id](input.value.replace(/\D/g, ""));
  if (text === input.value) return;
  const atEnd = input.selectionStart === input.value.length;
  input.value = text;
  if (atEnd) return;
  let caret = 0;
  for (let seen = 0; caret < text.length && seen < before; caret++) seen += /\d/.test(text[caret]) ? 1 : 0;
  input.setSelectionRange(caret, caret);
}

$("form").addEventListener("input", ({ target }) => {
  if (FORMATS[target.id]) format(target);
  $("brand").textContent = brand().title;
  if ($(`${target.id}-error`)?.textContent && !check(target.id)) showError(target.id, null);
  tellChange();
});

$("form").addEventListener("focusout", ({ target }) => {
  if (CHECKS[target.id] && target.value) showError(target.id, check(target.id));
});

$("form").addEventListener("submit", (event) => event.preventDefault());

$("form").addEventListener("keydown", ({ key, target }) => {
  if (key === "Enter" && target.matches("input")) send("enter");
});

// ---- what the page hears

function tellChange() {
  const method = selected();
  const fields = fieldsOf(method);
  send("change", {
    empty: fields.every((field) => !$(field).value),
    complete: !!method && fields.every((field) => !check(field)),
    collapsed: !method,
    value: { type: isSaved(method) ? "card" : method || "" },
  });
}

function tellHeight() {
  send("resize", { height: Math.ceil(document.body.getBoundingClientRect().height) });
}
