// A button for any page that opens the caller's page in a small panel:
//   <script src="https://HOST/widget.js" data-to="NUMBER" data-label="Call us" async></script>
// Where the server asks who may call: data-pass-url is an address of the site's own that answers a POST
// with {"pass": "..."}, or data-token is a token. data-side="left" moves the
// button; data-color gives it another colour. Everything is in a shadow tree and in this function,
// so nothing of the page is touched and nothing of it gets in.
(() => {
  'use strict';
  const script = document.currentScript;
  const origin = new URL(script.src).origin;
  const {
    to,
    token,
    passUrl,
    label = 'Call us',
    side = 'right',
    color = '#0f7a4e',
  } = script.dataset;

  const style = `
    :host { all: initial; }
    * { box-sizing: border-box; }
    .box {
      position: fixed; z-index: 2147483000; bottom: 20px; ${side === 'left' ? 'left' : 'right'}: 20px;
      display: grid; gap: 12px; justify-items: ${side === 'left' ? 'start' : 'end'};
      font: 600 16px/1.2 system-ui, sans-serif;
    }
    button { font: inherit; border: 0; cursor: pointer; color: #fff; background: var(--color); }
    button:focus-visible { outline: 3px solid #fff; box-shadow: 0 0 0 6px #1d3d8f; }
    .open {
      display: flex; align-items: center; gap: 10px; padding: 14px 20px; border-radius: 99px;
      box-shadow: 0 6px 24px rgb(0 0 0 / 30%);
    }
    .open[data-call]::before { content: ""; width: 10px; height: 10px; border-radius: 50%; background: #fff; }
    svg { width: 22px; height: 22px; fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linejoin: round; }
    .panel {
      width: min(380px, calc(100vw - 40px)); height: min(600px, calc(100vh - 110px));
      display: flex; flex-direction: column; overflow: hidden;
      background: #fff; border-radius: 16px; box-shadow: 0 12px 48px rgb(0 0 0 / 35%);
    }
    .panel[hidden] { display: none; }
    .head { display: flex; justify-content: space-between; align-items: center; background: var(--color); color: #fff; padding: 6px 6px 6px 16px; }
    .head button { width: 36px; height: 36px; border-radius: 8px; font-size: 22px; }
    iframe { flex: 1; width: 100%; border: 0; }`;

  const make = (tag, attributes, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };

  const drawing = () => {
    const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    svg.setAttribute('viewBox', '0 0 24 24');
    svg.setAttribute('aria-hidden', 'true');
    const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
    path.setAttribute(
      'd',
      'M6.5 3.5h3l1.5 4.5-2 1.5a12 12 0 0 0 5.5 5.5l1.5-2 4.5 1.5v3c0 1.1-.9 2-2 2C11 19.5 4.5 13 4.5 5.5c0-1.1.9-2 2-2Z',
    );
    svg.append(path);
    return svg;
  };

  const start = () => {
    const host = make('div', {});
    const root = host.attachShadow({ mode: 'closed' });
    // A sheet made here holds under any content security policy that lets this script run.
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(style);
    root.adoptedStyleSheets = [sheet];

    const text = make('span', {}, label);
    const opener = make(
      'button',
      { type: 'button', class: 'open', 'aria-expanded': 'false', 'aria-haspopup': 'dialog' },
      drawing(),
      text,
    );
    const close = make('button', { type: 'button', 'aria-label': 'Close' }, '×');
    const panel = make(
      'div',
      { class: 'panel', role: 'dialog', 'aria-label': label, hidden: '' },
      make('div', { class: 'head' }, make('span', {}, label), close),
    );
    const box = make('div', { class: 'box' }, panel, opener);
    if (CSS.supports('color', color)) box.style.setProperty('--color', color);
    root.append(box);
    document.body.append(host);

    let frame = null;
    const show = (open) => {
      if (open && !frame) {
        const url = new URL('/call', origin);
        url.searchParams.set('embed', '');
        if (passUrl) url.searchParams.set('pass', '');
        if (to) url.searchParams.set('to', to);
        if (token) url.hash = new URLSearchParams({ token });
        frame = make('iframe', {
          src: url.href,
          title: label,
          allow: 'microphone; autoplay; speaker-selection',
        });
        panel.append(frame);
      }
      panel.hidden = !open;
      opener.setAttribute('aria-expanded', String(open));
      if (open) frame.focus();
      else opener.focus();
    };
    opener.addEventListener('click', () => show(panel.hidden));
    // The call goes on behind a closed panel, and the button shows it.
    close.addEventListener('click', () => show(false));
    box.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && !panel.hidden) show(false);
    });
    const givePass = async () => {
      let pass = null;
      try {
        const response = await fetch(passUrl, { method: 'POST' });
        if (response.ok) ({ pass } = await response.json());
      } catch {
        // The page that asked says that there is no permission.
      }
      frame.contentWindow.postMessage({ frontdoor: 'pass', pass }, origin);
    };
    window.addEventListener('message', (event) => {
      if (!frame || event.source !== frame.contentWindow || event.origin !== origin) return;
      if (event.data?.frontdoor === 'pass?' && passUrl) givePass();
      if (event.data?.frontdoor === 'close') show(false);
      if (event.data?.frontdoor === 'call') {
        opener.dataset.call = '';
        text.textContent = 'In call';
      }
      if (event.data?.frontdoor === 'idle') {
        delete opener.dataset.call;
        text.textContent = label;
      }
    });
  };

  if (document.body) start();
  else document.addEventListener('DOMContentLoaded', start, { once: true });
})();
