/*
 * Stand-in for Stripe.js: the part of its surface that this project uses, with its shapes and its errors.
 * Card data is typed into a frame of the script's own origin and goes from there to the API, never through the page.
 *
 * Served by the sandbox itself (/_sandbox/stripe.js) it talks to that origin. Served by a browser test at the real
 * address, js.stripe.com, it talks to api.stripe.com, which the same test forwards to a sandbox.
 */
(() => {
  "use strict";

  const own = new URL(document.currentScript.src);
  const isLocal = ["127.0.0.1", "localhost", "[::1]"].includes(own.hostname);
  const API = isLocal ? own.origin : "https://api.stripe.com";
  const FRAMES = isLocal ? `${own.origin}/_sandbox/elements/` : `${own.origin}/standin/`;
  const LOAD_MS = 15000;

  const CONNECTION_ERROR = {
    type: "api_connection_error",
    message:
      "We are experiencing issues connecting to our payments provider. Please check your internet connection and try again.",
  };

  /** Wrong use of the library: a programmer's mistake, thrown at once. */
  class IntegrationError extends Error {
    constructor(message) {
      super(message);
      this.name = "IntegrationError";
    }
  }

  const never = () => new Promise(() => {});
  let frames = 0;

  /** A frame of our origin, and calls into it over a private channel. */
  class Frame {
    constructor(file, title, onEvent) {
      this.onEvent = onEvent;
      this.waiting = new Map();
      this.node = document.createElement("iframe");
      this.node.name = `__privateStripeFrame${++frames}`;
      this.node.title = title;
      this.node.src = FRAMES + file;
      this.node.allow = "payment *";
      Object.assign(this.node.style, { display: "block", width: "100%", height: "0", border: "0", colorScheme: "light" });
      this.open = new Promise((resolve, reject) => {
        this.node.addEventListener("load", () => resolve(this.connect()), { once: true });
        setTimeout(reject, LOAD_MS, CONNECTION_ERROR);
      });
      this.open.catch(() => {}); // whoever calls hears of it
    }

    connect() {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = ({ data }) => {
        if (data.event) return this.onEvent(data.event, data.detail);
        this.waiting.get(data.id)(data.result);
        this.waiting.delete(data.id);
      };
      this.node.contentWindow.postMessage("open", own.origin, [port2]);
      return port1;
    }

    async call(method, argument) {
      const port = await this.open;
      return new Promise((resolve) => {
        const id = crypto.randomUUID();
        this.waiting.set(id, resolve);
        port.postMessage({ id, method, argument });
      });
    }
  }

  /** What all elements share: events, and a life from mount to destroy. */
  class Element {
    constructor(type) {
      this.type = type;
      this.handlers = {};
      this.isDestroyed = false;
    }

    on(event, handler) {
      (this.handlers[event] ||= []).push(handler);
      return this;
    }

    once(event, handler) {
      const once = (detail) => {
        this.off(event, once);
        handler(detail);
      };
      return this.on(event, once);
    }

    off(event, handler) {
      this.handlers[event] = (this.handlers[event] || []).filter((other) => handler && other !== handler);
      return this;
    }

    emit(event, detail = {}) {
      for (const handler of [...(this.handlers[event] || [])]) handler({ elementType: this.type, ...detail });
    }

    host(target) {
      if (this.isDestroyed) {
        throw new IntegrationError("This Element has already been destroyed. Please create a new one.");
      }
      if (!target) throw new IntegrationError("Missing argument. Make sure to call mount() with a valid DOM element or selector.");
      const node = typeof target === "string" ? document.querySelector(target) : target;
      if (node) return node;
      throw new IntegrationError(
        `The selector you specified (${target}) applies to no DOM elements that are currently on the page. ` +
          "Make sure the element exists on the page before calling mount().",
      );
    }

    update() {
      return this;
    }

    destroy() {
      this.unmount();
      this.isDestroyed = true;
    }

    unmount() {}
    focus() {}
    blur() {}
    clear() {}
  }

  /** Cards, and US bank accounts where the intent takes them, in a frame. */
  class PaymentElement extends Element {
    constructor(group, options) {
      super("payment");
      this.group = group;
      this.options = options;
      this.frame = null;
    }

    mount(target) {
      const host = this.host(target);
      this.unmount();
      this.frame = new Frame("payment-element.html", "Secure payment input frame", (event, detail) => this.heard(event, detail));
      host.replaceChildren(this.frame.node);
      this.matchTheme();
      this.emit("loaderstart");
      this.frame.call("begin", { ...this.group.setting(), element: this.options }).then(
        ({ error }) => (error ? this.emit("loaderror", { error }) : this.emit("ready")),
        (error) => this.emit("loaderror", { error }),
      );
    }

    heard(event, detail) {
      if (event === "resize") this.frame.node.style.height = `${detail.height}px`;
      else if (event === "enter") this.frame.node.closest("form")?.requestSubmit();
      else this.emit(event, detail);
    }

    /** A frame is see-through only while its scheme is the one of its own document. */
    matchTheme() {
      if (this.frame) this.frame.node.style.colorScheme = this.group.options.appearance?.theme === "night" ? "dark" : "light";
    }

    update(options) {
      Object.assign(this.options, options);
      this.frame?.call("update", this.options);
      return this;
    }

    collapse() {
      this.frame?.call("collapse");
      return this;
    }

    focus() {
      this.frame?.call("focus");
    }

    clear() {
      this.frame?.call("clear");
    }

    unmount() {
      this.frame?.node.remove();
      this.frame = null;
    }
  }

  /** Wallet buttons. There are no wallets here, so it says so and stays empty. */
  class ExpressCheckoutElement extends Element {
    constructor() {
      super("expressCheckout");
    }

    mount(target) {
      this.host(target);
      setTimeout(() => this.emit("ready", { availablePaymentMethods: undefined }));
    }
  }

  /** A call that may end at a wrong field. Only the page can give the frame the focus; then the frame passes it on. */
  async function withFocus(frame, method, argument) {
    const result = await frame.call(method, argument).catch((error) => ({ error }));
    if (result.error?.type === "validation_error") {
      frame.node.focus();
      await frame.call("focus");
    }
    return result;
  }

  const SECRET = /^((?:pi|seti)_[^_]+)_secret_.+$/;

  function idOf(secret, call) {
    const found = SECRET.exec(secret || "");
    if (found) return found[1];
    throw new IntegrationError(
      `Invalid value for ${call}: clientSecret should be a client secret of the form \${id}_secret_\${secret}. ` +
        `You specified: ${secret}.`,
    );
  }

  /** What stripe.elements() gives: the elements of one payment. */
  class Elements {
    constructor(key, options) {
      if ("paymentMethodTypes" in options) {
        throw new IntegrationError(
          "Invalid elements() parameter: paymentMethodTypes is no longer supported. Use allowedPaymentMethodTypes instead.",
        );
      }
      const session = options.customerSessionClientSecret;
      if (session !== undefined && !/^cuss_secret_.+$/.test(session)) {
        throw new IntegrationError("Invalid value for elements(): customerSessionClientSecret should be the client secret of a customer session.");
      }
      if (options.clientSecret !== undefined) idOf(options.clientSecret, "elements()");
      else if (options.mode !== "setup" && !(options.mode && options.amount && options.currency)) {
        throw new IntegrationError("In order to create a payment element, you must pass a clientSecret or mode when creating the Elements group.");
      }
      this.key = key;
      this.options = { ...options };
      this.created = new Map();
      this.wasSubmitted = false;
    }

    setting() {
      const { clientSecret, customerSessionClientSecret, appearance = {}, mode, currency, amount } = this.options;
      return { key: this.key, clientSecret, customerSessionClientSecret, appearance, mode, currency, amount };
    }

    create(type, options = {}) {
      if (this.created.has(type) && !this.created.get(type).isDestroyed) {
        throw new IntegrationError(`Can only create one Element of type ${type} through Elements.`);
      }
      const made = this.make(type, { ...options });
      this.created.set(type, made);
      return made;
    }

    make(type, options) {
      if (type === "payment") return new PaymentElement(this, options);
      if (type === "expressCheckout") return new ExpressCheckoutElement();
      throw new IntegrationError(`A valid Element name must be provided. The sandbox has payment and expressCheckout. You specified: ${type}.`);
    }

    getElement(type) {
      const found = this.created.get(type);
      return found && !found.isDestroyed ? found : null;
    }

    /** The mounted payment frame; `call` names the method for the error. */
    frame(call) {
      const frame = this.created.get("payment")?.frame;
      if (frame) return frame;
      throw new IntegrationError(
        `Invalid value for ${call}: elements should have a mounted Payment Element or Express Checkout Element.`,
      );
    }

    async update(options) {
      if (options.clientSecret && options.clientSecret !== this.options.clientSecret) {
        throw new IntegrationError("Invalid value for elements.update(): clientSecret cannot be changed after the Elements group was created.");
      }
      Object.assign(this.options, options);
      this.created.get("payment")?.matchTheme();
      await this.created.get("payment")?.frame?.call("restyle", this.options.appearance || {});
    }

    async fetchUpdates() {
      const result = await this.frame("elements.fetchUpdates()").call("refresh").catch((error) => ({ error }));
      return result.error ? { error: { message: result.error.message } } : {};
    }

    async submit() {
      this.wasSubmitted = true;
      return withFocus(this.frame("elements.submit()"), "validate");
    }
  }

  /** Read an intent as a browser may: with its client secret. */
  async function retrieve(key, secret, call) {
    const id = idOf(secret, call);
    const kind = id.startsWith("pi_") ? "payment_intents" : "setup_intents";
    try {
      const response = await fetch(`${API}/v1/${kind}/${id}?${new URLSearchParams({ key, client_secret: secret })}`);
      const body = await response.json();
      return response.ok ? wrap(body) : { error: body.error };
    } catch {
      return { error: CONNECTION_ERROR };
    }
  }

  const wrap = (intent) => ({ [intent.object === "setup_intent" ? "setupIntent" : "paymentIntent"]: intent });

  /** The bank's question, in a dialog over the page. Resolves with the intent after it, or with an error. */
  async function authenticate(key, secret) {
    const dialog = document.createElement("dialog");
    dialog.setAttribute("aria-label", "3D Secure");
    Object.assign(dialog.style, {
      position: "fixed", inset: "0", margin: "0", padding: "0", border: "0", maxWidth: "none", maxHeight: "none",
      width: "100vw", height: "100dvh", background: "rgb(15 23 42 / .55)",
    });
    const frame = new Frame("authentication.html", "3D Secure", () => {});
    frame.node.style.height = "100%";
    dialog.append(frame.node);
    document.body.append(dialog);
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      frame.call("cancel");
    });
    dialog.showModal();
    const result = await frame.call("ask", { key, clientSecret: secret }).catch((error) => ({ error }));
    dialog.remove();
    return result;
  }

  /** What is left to do after a confirmation: a step with the bank, or nothing. */
  async function takeNextAction(key, secret, result) {
    const intent = result.object;
    if (!intent) return { error: result.error };
    const action = intent.status === "requires_action" && intent.next_action;
    if (action?.type === "redirect_to_url") {
      location.assign(action.redirect_to_url.url);
      return never();
    }
    if (action?.type !== "use_stripe_sdk") return wrap(intent);
    const answer = await authenticate(key, secret);
    return answer.error ? { error: answer.error } : wrap(answer.object);
  }

  function goBack(intent, returnUrl) {
    const url = new URL(returnUrl);
    const name = intent.object;
    url.searchParams.set(name, intent.id);
    url.searchParams.set(`${name}_client_secret`, intent.client_secret);
    url.searchParams.set("redirect_status", ["succeeded", "requires_capture"].includes(intent.status) ? "succeeded" : "pending");
    location.assign(url.href);
    return never();
  }

  /** confirmPayment and confirmSetup: send what the frame holds, take the next step, then go or answer. */
  async function confirm(key, call, { elements, clientSecret, confirmParams = {}, redirect = "always" } = {}) {
    if (!(elements instanceof Elements)) {
      throw new IntegrationError(`Invalid value for ${call}: elements should be an object created by stripe.elements().`);
    }
    if (!["always", "if_required"].includes(redirect)) {
      throw new IntegrationError(`Invalid value for ${call}: redirect should be one of "always" or "if_required". You specified: ${redirect}.`);
    }
    if (redirect === "always" && !confirmParams.return_url) {
      throw new IntegrationError(`${call}: the \`confirmParams.return_url\` parameter is required.`);
    }
    const deferred = elements.options.clientSecret === undefined;
    if (deferred && !elements.wasSubmitted) {
      throw new IntegrationError(`elements.submit() must be called before ${call}.`);
    }
    const secret = clientSecret || elements.options.clientSecret;
    idOf(secret, call);
    const argument = { clientSecret: secret, params: confirmParams };
    const sent = await withFocus(elements.frame(call), "confirm", argument);
    const result = await takeNextAction(key, secret, sent);
    if (result.error || redirect === "if_required") return result;
    return goBack(result.paymentIntent || result.setupIntent, confirmParams.return_url);
  }

  function checkKey(key) {
    if (!key || typeof key !== "string") {
      throw new IntegrationError("Please call Stripe() with your publishable key. You used an empty string.");
    }
    if (/^(sk|rk)_/.test(key)) {
      throw new IntegrationError("You should not use your secret key with Stripe.js. Please pass a publishable key instead.");
    }
    if (!/^pk_(test|live)_/.test(key)) throw new IntegrationError(`Please call Stripe() with your publishable key. You used: ${key}.`);
  }

  /** The global. Methods that the sandbox does not have are absent. */
  function Stripe(key, _options = {}) {
    checkKey(key);
    return {
      elements: (options = {}) => new Elements(key, options),
      confirmPayment: (options) => confirm(key, "stripe.confirmPayment()", options),
      confirmSetup: (options) => confirm(key, "stripe.confirmSetup()", options),
      retrievePaymentIntent: (secret) => retrieve(key, secret, "stripe.retrievePaymentIntent()"),
      retrieveSetupIntent: (secret) => retrieve(key, secret, "stripe.retrieveSetupIntent()"),
      async handleNextAction({ clientSecret } = {}) {
        const read = await retrieve(key, clientSecret, "stripe.handleNextAction()");
        return takeNextAction(key, clientSecret, { object: read.paymentIntent || read.setupIntent, error: read.error });
      },
      registerAppInfo() {},
    };
  }

  Stripe.version = "endive";
  window.Stripe = Stripe;
})();
