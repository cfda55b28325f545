// Small helps for pages that work without it. Behaviour is asked for by data-* attributes.
(() => {
  const byId = id => document.getElementById(id);
  const say = text => { byId('say').textContent = text; };

  // data-reveal="<input id>": show or hide a secret.
  function reveal(button) {
    const input = byId(button.dataset.reveal);
    const shown = input.type === 'password';
    input.type = shown ? 'text' : 'password';
    button.setAttribute('aria-pressed', shown);
    button.querySelector('span').textContent = shown ? 'Hide' : 'Show';
  }

  // data-copy="<id>": copy the value or text of an element. Falls back to selecting it.
  async function copy(button) {
    const source = byId(button.dataset.copy);
    const label = button.querySelector('[data-copy-label]');
    try {
      await navigator.clipboard.writeText((source.value ?? source.textContent).trim());
      label.textContent = 'Copied';
      say('Copied');
    } catch {
      getSelection().selectAllChildren(source);
      label.textContent = 'Selected';
      say('Press Control C to copy');
    }
    setTimeout(() => { label.textContent = 'Copy'; }, 2000);
  }

  // data-dialog="<id>": open that dialog instead of following the link.
  function openDialog(link, event) {
    const dialog = byId(link.dataset.dialog);
    if (!dialog || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    dialog.showModal();
  }

  function closeDialog(button, event) {
    const dialog = button.closest('dialog');
    if (!dialog) return;
    event.preventDefault();
    dialog.close();
  }

  // A dialog that was fetched goes when it closes: it is asked for anew. A menu that is open closes by Escape, and
  // when something else is pressed.
  document.addEventListener('close', event => { if (event.target.matches?.('dialog[data-open]')) event.target.remove(); }, true);
  const menus = () => document.querySelectorAll('.p-acts[open]');
  document.addEventListener('keydown', event => {
    if (event.key !== 'Escape' || document.querySelector('dialog[open]')) return;
    menus().forEach(menu => { menu.open = false; menu.querySelector('summary').focus(); });
  });

  const clicks = {
    '[data-reveal]': reveal,
    '[data-copy]': copy,
    '[data-dialog]': openDialog,
    '[data-close]': closeDialog,
    '[data-dismiss]': () => byId('alert').replaceChildren(),
    '[data-retry]': () => { byId('alert').replaceChildren(); retry?.(); },
  };
  document.addEventListener('click', event => {
    if (event.target.matches?.('dialog')) return event.target.close();
    menus().forEach(menu => { if (!event.target.closest?.('.p-acts, dialog')) menu.open = false; });
    for (const [selector, act] of Object.entries(clicks)) {
      const element = event.target.closest?.(selector);
      if (element) return act(element, event);
    }
  });

  // A POST is sent once: the pressed button is busy until the answer is there.
  const release = (form, pressed) => [pressed ?? [...form.elements]].flat().forEach(b => b.removeAttribute('aria-busy'));
  document.addEventListener('submit', event => {
    const form = event.target;
    const button = event.submitter ?? form.querySelector('[type=submit]');
    if (form.method !== 'post' || !button) return;
    if (button.getAttribute('aria-busy') === 'true') {
      event.preventDefault();
      event.stopImmediatePropagation();
      return;
    }
    delete form.dataset.dirty;
    button.setAttribute('aria-busy', 'true');
  }, true);
  document.addEventListener('htmx:finally:request', event => {
    if (event.target.matches?.('form')) release(event.target, event.detail.ctx.request.submitter);
  });
  addEventListener('pageshow', event => { if (event.persisted) document.querySelectorAll('form').forEach(form => release(form)); });

  // A form's htmx request goes where the pressed button says, as its plain submit does.
  document.addEventListener('htmx:config:request', event => {
    const { request } = event.detail.ctx;
    request.action = request.submitter?.getAttribute('formaction') ?? request.action;
    // A field that was not edited since its form was sent does not make the answer out of date.
    if (request.form?.matches('[data-guard]:not([data-dirty])')) request.body.delete('checked');
  });

  // form[data-guard]: leaving with changes asks first.
  document.addEventListener('input', event => {
    const form = event.target.form;
    if (form && 'guard' in form.dataset) form.dataset.dirty = '';
  });
  addEventListener('beforeunload', event => {
    if (document.querySelector('form[data-dirty]')) event.preventDefault();
  });

  // No answer, or none worth showing: keep the page, say so, offer to try again.
  let retry;
  let failed; // the element whose request the message is about
  function toast(template, detail) {
    byId('alert').replaceChildren(byId(template).content.cloneNode(true));
    const { sourceElement: element, sourceEvent: cause } = detail.ctx;
    failed = element;
    retry = () => element.matches('form') ? element.requestSubmit() : htmx.trigger(element, cause.type);
  }
  document.addEventListener('htmx:error', event => {
    const { ctx, error } = event.detail;
    if (ctx && (error?.name === 'TypeError' || ctx.request.signal.reason === 'timeout')) toast('toast-offline', event.detail);
  });
  document.addEventListener('htmx:response:error', event => {
    const { response } = event.detail.ctx;
    if (response.status >= 500 && !response.headers.get('content-type')?.includes('html')) toast('toast-failed', event.detail);
  });
  document.addEventListener('htmx:after:request', event => {
    if (event.detail.ctx.sourceElement === failed) byId('alert').replaceChildren();
  });

  // After a swap: focus what asks for it, never lose focus, open dialogs that arrived, mark refused inputs.
  // A control that goes hands its focus to what held it, and takes it back when it returns.
  let trail = []; // where the focus is: ids from the inside out
  let held = ''; // the id in it that has the focus in place of the control
  let swaps = 0; // under way
  document.addEventListener('htmx:before:swap', () => {
    const at = document.activeElement;
    if (swaps++ || (held && at.id === held)) return;
    held = '';
    trail = [];
    if (at === document.body) return;
    for (let e = at; e && e.id !== 'main'; e = e.parentElement) if (e.id) trail.push(e.id);
    trail.push('page-title', 'main');
  });
  document.addEventListener('htmx:finally:swap', () => { swaps--; });
  // A row that is checked again keeps its height until the answer is there: what is below it stays in place.
  const heights = {};
  document.addEventListener('htmx:before:swap', () => document.querySelectorAll('.p-check-row').forEach(row => { heights[row.id] = row.offsetHeight; }));
  document.addEventListener('htmx:before:settle', () => document.querySelectorAll('.p-check-row.run:not([style])').forEach(row => { row.style.minHeight = `${heights[row.id]}px`; }));
  function regainFocus() {
    held = trail.find(id => {
      byId(id)?.focus();
      return document.activeElement.id === id;
    });
  }
  document.addEventListener('htmx:after:swap', () => {
    document.querySelector('dialog[data-open]:not([open])')?.showModal();
    const wanted = document.querySelector('[data-focus]');
    if (wanted && wanted !== seen) { seen = wanted; wanted.focus(); }
    else if (trail.length && [document.body, byId(held)].includes(document.activeElement)) regainFocus();
    const shown = document.querySelector('[data-show]'); // on small screens: scroll to it, once
    if (shown && innerWidth < 768) byId(shown.dataset.show).scrollIntoView();
    shown?.removeAttribute('data-show');
    document.querySelectorAll('.p-fb').forEach(slot => {
      const input = byId(slot.id.replace(/-fb$/, ''));
      if (!input) return;
      if (slot.querySelector('[data-tone=bad]')) input.setAttribute('aria-invalid', 'true');
      else input.removeAttribute('aria-invalid');
    });
  });
  let seen = document.querySelector('[data-focus]');
  if (location.hash) seen?.focus(); // otherwise the browser's own autofocus does it
})();
