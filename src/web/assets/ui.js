// Building pages: elements, icons, words for values, timers, menus, dialogs, notices. Text from
// anywhere goes in as text nodes only.

import { signOut, serverNow } from './api.js';

/**
 * Makes an element. Attributes by name; `on...` are listeners, `class`, `data` and booleans as one
 * would think; null and undefined leave an attribute away. Children are nodes, texts, or lists.
 */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'data') Object.assign(node.dataset, value);
    else if (name === 'value') node.value = value;
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  node.append(
    ...children.flat(9).filter((child) => child !== null && child !== undefined && child !== false),
  );
  return node;
}

/** The element with this id. */
export const byId = (id) => document.getElementById(id);

/** Puts other children into a node. */
export function fill(node, ...children) {
  node.replaceChildren(
    ...children.flat(9).filter((child) => child !== null && child !== undefined && child !== false),
  );
  return node;
}

// Paths on a grid of 24 by 24.
const PATHS = {
  away: 'M12 7v5l3 2M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0Z',
  back: 'M15 5l-7 7 7 7',
  bot: 'M5 9h14v10H5zM12 9V5M9 13v2M15 13v2M2 13v3M22 13v3',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  close: 'M6 6l12 12M18 6L6 18',
  crm: 'M4 6c0-1.7 3.6-3 8-3s8 1.3 8 3-3.6 3-8 3-8-1.3-8-3Zm0 0v12c0 1.7 3.6 3 8 3s8-1.3 8-3V6M4 12c0 1.7 3.6 3 8 3s8-1.3 8-3',
  door: 'M6 21V4a1 1 0 0 1 1-1h10a1 1 0 0 1 1 1v17M3 21h18M14.5 12v1',
  down: 'M6 9l6 6 6-6',
  globe: 'M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0ZM3 12h18M12 3c5 5 5 13 0 18M12 3c-5 5-5 13 0 18',
  hangup:
    'M3 13.5c0-5.5 18-5.5 18 0v1.5c0 .8-.6 1.3-1.3 1.1l-3-.6c-.6-.1-1-.6-1-1.2v-1.7c-2.4-.9-5-.9-7.4 0v1.7c0 .6-.4 1.1-1 1.2l-3 .6C3.6 16.3 3 15.8 3 15Z',
  hold: 'M9 5v14M15 5v14',
  info: 'M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0ZM12 11v6M12 7.5v.2',
  keyed: 'M5 5h.01M12 5h.01M19 5h.01M5 12h.01M12 12h.01M19 12h.01M5 19h.01M12 19h.01M19 19h.01',
  keyboard: 'M3 6h18v12H3zM7 10h.01M11 10h.01M15 10h.01M8 14h8',
  mic: 'M12 3a3 3 0 0 1 3 3v6a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3ZM5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3',
  muted:
    'M9 9v3a3 3 0 0 0 4.8 2.4M15 11V6a3 3 0 0 0-5.8-1M5.5 11.5a6.5 6.5 0 0 0 10.3 5.3M18.3 13.5c.2-.6.2-1.3.2-2M12 18v3M3 3l18 18',
  person: 'M16 8a4 4 0 1 1-8 0 4 4 0 0 1 8 0ZM4 21c1-8 15-8 16 0',
  persons: 'M12.5 8a3.5 3.5 0 1 1-7 0 3.5 3.5 0 0 1 7 0ZM2 20c1-7 13-7 14 0M19 8v6M16 11h6',
  phone:
    'M6.5 3.5h3l1.5 4.5-2 1.5a12 12 0 0 0 5.5 5.5l1.5-2 4.5 1.5v3c0 1.1-.9 2-2 2C11 19.5 4.5 13 4.5 5.5c0-1.1.9-2 2-2Z',
  play: 'M8 5l11 7-11 7z',
  queue: 'M4 6h16M4 12h16M4 18h10',
  said: 'M4 5h16v11H10l-4 4v-4H4z',
  search: 'M17 11a6 6 0 1 1-12 0 6 6 0 0 1 12 0ZM15.5 15.5L21 21',
  theme: 'M12 3v18M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0ZM13 4l7 7M13 9l6.5 6.5M13 14l4 4',
  transfer: 'M4 8h15M15 4l4 4-4 4M20 16H5M9 12l-4 4 4 4',
  verified: 'M12 3l8 3v6c0 5-3.5 7.8-8 9-4.5-1.2-8-4-8-9V6zM8.5 12l2.5 2.5 4.5-5',
  volume: 'M4 9v6h4l5 4V5L8 9zM16.5 9a4 4 0 0 1 0 6M19 6.5a8 8 0 0 1 0 11',
  warning: 'M12 4l9 16H3zM12 10v4M12 17v.2',
};

/** A drawing; it is hidden from screen readers, so a word stands beside it or in a label. */
export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', PATHS[name]);
  if (name === 'keyed' || name === 'keyboard') path.setAttribute('stroke-width', '2.6');
  svg.append(path);
  return svg;
}

/** A button. `look` is a class; an icon and a key are optional. */
export function button(text, onclick, { look = '', drawing, key, ...attributes } = {}) {
  return el(
    'button',
    {
      type: 'button',
      class: `button ${look}`,
      onclick,
      'aria-keyshortcuts': key,
      ...attributes,
    },
    drawing && icon(drawing),
    text && el('span', {}, text),
    key && el('kbd', { 'aria-hidden': 'true' }, key),
  );
}

// ---- words for values ----

/** `lost_card` as people write it. */
export function words(name) {
  const text = String(name ?? '')
    .replaceAll(/[_.]+/g, ' ')
    .trim();
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Seconds as 0:07, 12:30 or 1:02:03. */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, '0');
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** A likely wait in words. */
export function waitWords(from, to) {
  if (from === null || from === undefined || to === null || to === undefined) return '';
  const low = Math.max(0, Math.floor(from / 60));
  const high = Math.max(1, Math.ceil(to / 60));
  if (high === 1) return low === 0 ? 'less than a minute' : 'about a minute';
  return low === high ? `about ${high} minutes` : `${Math.max(1, low)} to ${high} minutes`;
}

const day = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });
const minute = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' });

/** A time of day, with its date unless it is today. */
export function when(text) {
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) return '';
  const today = date.toDateString() === new Date().toDateString();
  return today ? minute.format(date) : `${day.format(date)}, ${minute.format(date)}`;
}

const STATES = {
  offline: 'Offline',
  ready: 'Ready',
  offered: 'Call offered',
  talking: 'In a call',
  wrap_up: 'Wrap-up',
  away: 'Away',
};

/** What an agent does, in words; of `{state, reason?}`. */
export function stateWords({ state, reason }) {
  return state === 'away' && reason
    ? `Away: ${words(reason).toLowerCase()}`
    : (STATES[state] ?? words(state));
}

const PHASES = {
  connecting: 'Connecting',
  talking: 'With the front door',
  waiting: 'Waiting in line',
  with_agent: 'With a person',
  ended: 'Ended',
};

/** Where a caller is, in words. */
export const phaseWords = (phase) => PHASES[phase] ?? words(phase);

// ---- timers ----

const running = new Set();

/** Shows the time since (or, with `until`, the time left to) a moment of the server's clock. */
export function timer(sinceMs, { until = false, ...attributes } = {}) {
  const node = el('span', { class: 'number', ...attributes });
  const show = () => {
    const ms = until ? sinceMs - serverNow() : serverNow() - sinceMs;
    node.textContent = clock(until ? Math.ceil(ms / 1000) : ms / 1000);
  };
  show();
  running.add({ node, show, seen: false });
  return node;
}

setInterval(() => {
  for (const one of running) {
    one.show();
    // What was on the page and is not any more is done; what is about to be put there is kept.
    if (one.node.isConnected) one.seen = true;
    else if (one.seen) running.delete(one);
  }
}, 500);

// ---- menus ----

/** A button with a list below it. `items` gives entries `{text, act, drawing?, key?, href?}` anew at each opening. */
export function menu(trigger, items, { end = false, label = trigger.textContent } = {}) {
  const list = el('ul', { role: 'menu', hidden: true });
  const box = el('div', { class: end ? 'menu end' : 'menu' }, trigger, list);
  trigger.setAttribute('aria-haspopup', 'menu');
  trigger.setAttribute('aria-expanded', 'false');
  list.setAttribute('aria-label', trigger.getAttribute('aria-label') ?? label);

  const close = (back) => {
    if (list.hidden) return;
    list.hidden = true;
    trigger.setAttribute('aria-expanded', 'false');
    if (back) trigger.focus();
  };
  const entry = (item) => {
    const inside = [
      item.drawing && icon(item.drawing),
      item.dot && el('span', { class: 'dot', data: { state: item.dot } }),
      el('span', {}, item.text),
      item.key && el('kbd', { 'aria-hidden': 'true' }, item.key.toUpperCase()),
    ].filter(Boolean);
    return item.href
      ? el('a', { role: 'menuitem', tabindex: -1, href: item.href }, inside)
      : el(
          'button',
          {
            type: 'button',
            role: 'menuitem',
            tabindex: -1,
            onclick: () => {
              close(true);
              item.act();
            },
          },
          inside,
        );
  };
  const open = () => {
    const all = items();
    fill(
      list,
      all.map((item) => el('li', { role: 'none' }, entry(item))),
    );
    list.hidden = false;
    // Upwards where there is no room below.
    list.classList.remove('up');
    list.classList.toggle('up', list.getBoundingClientRect().bottom > innerHeight);
    trigger.setAttribute('aria-expanded', 'true');
    list.querySelector('[role=menuitem]')?.focus();
  };
  trigger.addEventListener('click', () => (list.hidden ? open() : close(true)));
  box.addEventListener('keydown', (event) => {
    if (list.hidden) return;
    const entries = [...list.querySelectorAll('[role=menuitem]')];
    const at = entries.indexOf(document.activeElement);
    const to = {
      ArrowDown: (at + 1) % entries.length,
      ArrowUp: (at + entries.length - 1) % entries.length,
      Home: 0,
      End: entries.length - 1,
    }[event.key];
    const shown = items().findIndex((item) => item.key && item.key === event.key);
    if (to !== undefined) entries[to].focus();
    else if (event.key === 'Escape') close(true);
    else if (event.key === 'Tab') close(false);
    else if (shown >= 0) entries[shown].click();
    else return;
    event.stopPropagation();
    if (event.key !== 'Tab') event.preventDefault();
  });
  // Wherever the person goes on, the menu does not stay behind.
  const elsewhere = (event) => {
    if (!list.hidden && !box.contains(event.target)) close(false);
  };
  document.addEventListener('pointerdown', elsewhere);
  document.addEventListener('focusin', elsewhere);
  box.openMenu = open;
  return box;
}

// ---- dialogs and notices ----

/** Shows a dialog until it is closed. `build` gets what closes it and gives the content. */
export function dialog(title, build, { wide = false } = {}) {
  const box = el('dialog', { class: wide ? 'wide' : null, 'aria-labelledby': 'dialog-title' });
  return new Promise((resolve) => {
    let result = null;
    const done = (value = null) => {
      result = value;
      box.close();
    };
    fill(
      box,
      el(
        'div',
        {},
        el(
          'header',
          {},
          el('h2', { id: 'dialog-title' }, title),
          button('', () => done(), {
            look: 'quiet square',
            drawing: 'close',
            'aria-label': 'Close',
          }),
        ),
        build(done),
      ),
    );
    box.addEventListener('close', () => {
      box.remove();
      resolve(result);
    });
    // A click beside it closes it.
    box.addEventListener('pointerdown', (event) => {
      if (event.target === box) done();
    });
    document.body.append(box);
    box.showModal();
    box.querySelector('[autofocus]')?.focus();
  });
}

/** Whether a dialog is open: keys are its own then. */
export const dialogIsOpen = () => document.querySelector('dialog[open]') !== null;

/** Says something in the corner; problems stay until they are closed or a while has passed. */
export function notice(text, { problem = false } = {}) {
  let region = byId('toasts');
  if (!region) {
    region = el('div', { id: 'toasts', role: 'status', 'aria-live': 'polite' });
    document.body.append(region);
  }
  const box = el(
    'div',
    { class: 'toast' },
    icon(problem ? 'warning' : 'check'),
    el('p', {}, text),
    el('button', { type: 'button', 'aria-label': 'Dismiss', onclick: () => box.remove() }, '×'),
  );
  region.append(box);
  while (region.children.length > 4) region.firstChild.remove();
  setTimeout(() => box.remove(), problem ? 12000 : 4000);
}

/** Shows what went wrong. */
export function problem(error) {
  // Whoever is led to sign-in needs no more words.
  if (error.status === 401) return;
  notice(error.fix ? `${error.message} ${error.fix}` : error.message, { problem: true });
}

/** Does what a page begins with. If it fails, the page says so and goes no further. */
export async function toBeginWith(work) {
  try {
    return await work();
  } catch (error) {
    if (error.status !== 401) {
      const again = button('Try again', () => location.reload(), { look: 'main' });
      fill(byId('main'), el('div', { class: 'note bad', role: 'alert' }, error.message, again));
    }
    return new Promise(() => {});
  }
}

/** Does something once, with the button off meanwhile; shows what goes wrong. */
export async function busy(control, work) {
  if (control?.disabled) return false;
  if (control) control.disabled = true;
  try {
    await work();
    return true;
  } catch (error) {
    problem(error);
    return false;
  } finally {
    if (control) control.disabled = false;
  }
}

// ---- what is kept in the browser ----

/** Settings of this browser, such as the microphone; nothing about callers. */
export const kept = {
  get(key, otherwise) {
    try {
      return JSON.parse(localStorage.getItem(`frontdoor-${key}`)) ?? otherwise;
    } catch {
      return otherwise;
    }
  },
  set(key, value) {
    try {
      localStorage.setItem(`frontdoor-${key}`, JSON.stringify(value));
    } catch {
      // A browser that keeps nothing for us.
    }
  },
};

/** Changes between the light and the dark theme. */
export function toggleTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme
    ? root.dataset.theme === 'dark'
    : matchMedia('(prefers-color-scheme: dark)').matches;
  root.dataset.theme = dark ? 'light' : 'dark';
  try {
    localStorage.setItem('frontdoor-theme', root.dataset.theme);
  } catch {
    // It holds for this page at least.
  }
}

// ---- the bar on top of staff pages ----

const PAGES = [
  { path: '/desk', text: 'Desk', roles: ['agent', 'supervisor', 'admin'] },
  { path: '/supervisor', text: 'Supervisor', roles: ['supervisor', 'admin'] },
  { path: '/ops', text: 'Operations', roles: ['operations', 'admin'] },
];

/** The pages that this role may open. */
export const pagesOf = (role) => PAGES.filter((page) => page.roles.includes(role));

/** The brand, the ways to other pages, and at the right the theme and who is signed in. */
export function fillBar(session, ...middle) {
  const pages = pagesOf(session.role);
  fill(
    byId('bar'),
    el('span', { class: 'brand' }, icon('door'), 'frontdoor'),
    pages.length > 1 &&
      el(
        'nav',
        { 'aria-label': 'Pages' },
        pages.map((page) =>
          el(
            'a',
            {
              href: page.path,
              'aria-current': location.pathname === page.path ? 'page' : null,
            },
            page.text,
          ),
        ),
      ),
    ...(middle.length > 0 ? middle : [el('span', { class: 'grow' })]),
    button('', toggleTheme, {
      look: 'quiet square',
      drawing: 'theme',
      'aria-label': 'Light or dark',
      title: 'Light or dark',
    }),
    menu(
      button(session.display_name, null, { look: 'quiet', drawing: 'person' }),
      () => [
        { text: 'Change password', href: '/sign-in#change' },
        { text: 'Sign out', act: () => signOut().catch(problem) },
      ],
      { end: true },
    ),
  );
}

/** The strip that says that news no longer comes. */
export function showCut(state) {
  byId('cut').hidden = state !== 'cut';
}
