// What an agent does in a call: the controls, and where a caller is sent.

import { call } from './api.js';
import { KEYS, playKey } from './rtc.js';
import { busy, button, dialog, el, fill, icon, notice, problem, timer, words } from './ui.js';

// A second press of the key that ends a call comes within this.
const AGAIN_MS = 2000;

const PHASES = {
  connecting: 'Connecting …',
  talking: 'In the call',
  at_front_door: 'With the front door, and comes back',
  transferring: 'Being passed on …',
};

const post = (what, json) => call('POST', `/api/desk/call/${what}`, json);

/** The controls of the call in progress. Give `update` each `call` event; `act` does what a key says. */
export class CallControls {
  #event = null;
  #options;
  #muteLine;
  #sent = '';
  #endPressed = -Infinity;

  /** `options` gives the desk's options; `muteLine` mutes the microphone here, if the call is here. */
  constructor({ name, options, muteLine }) {
    this.#options = options;
    this.#muteLine = muteLine;
    const tool = (text, key, drawing, act) => button(text, act, { look: 'tool', drawing, key });
    this.mute = tool('Mute', 'M', 'mic', () => this.#toggleMute());
    this.hold = tool('Hold', 'H', 'hold', () => this.#toggleHold());
    this.keys = tool('Keypad', 'K', 'keyed', () => this.#toggleKeypad());
    this.transfer = tool('Transfer', 'X', 'transfer', () => this.#send('transfer'));
    this.add = tool('Add person', 'C', 'persons', () => this.#send('conference'));
    this.door = tool('Front door', 'F', 'door', () => this.#frontDoor());
    this.end = button('End', () => this.#hangUp(), {
      look: 'tool stop',
      drawing: 'hangup',
      key: 'E',
    });
    this.status = el('p', { class: 'dim small', role: 'status' });
    this.time = el('span', { class: 'time' });
    this.keypad = el(
      'div',
      { class: 'keypad panel', role: 'group', 'aria-label': 'Keypad', hidden: true },
      el('output', { class: 'number', 'aria-label': 'Keys sent' }),
      el(
        'div',
        { class: 'keys' },
        KEYS.map((key) =>
          el(
            'button',
            {
              type: 'button',
              class: 'button',
              'aria-label': { '*': 'star', '#': 'hash' }[key],
              onclick: () => this.#key(key),
            },
            key,
          ),
        ),
      ),
    );
    this.keys.setAttribute('aria-expanded', 'false');
    this.node = [
      el(
        'div',
        { class: 'grow' },
        el('h2', {}, name || 'Unknown caller', ' ', this.time),
        this.status,
      ),
      el(
        'div',
        { class: 'tools', role: 'toolbar', 'aria-label': 'Call controls' },
        this.mute,
        this.hold,
        el('div', { class: 'menu' }, this.keys, this.keypad),
        this.transfer,
        this.add,
        this.door,
        this.end,
      ),
    ];
    this.keypad.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape') return;
      this.#toggleKeypad();
      this.keys.focus();
    });
  }

  /** Shows the call as it is now. */
  update(event) {
    if (!this.#event || this.#event.since !== event.since) {
      fill(this.time, timer(Date.parse(event.since)));
    }
    this.#event = event;
    const talking = event.phase === 'talking';
    for (const tool of [this.mute, this.hold, this.keys, this.transfer, this.add, this.door])
      tool.disabled = !talking;
    this.door.hidden = (this.#options().tasks ?? []).length === 0;
    this.#press(
      this.mute,
      event.muted,
      event.muted ? 'Unmute' : 'Mute',
      event.muted ? 'muted' : 'mic',
    );
    this.#press(
      this.hold,
      event.held,
      event.held ? 'Resume' : 'Hold',
      event.held ? 'play' : 'hold',
    );
    const text = [
      event.held ? 'On hold: the caller hears music' : (PHASES[event.phase] ?? words(event.phase)),
    ];
    if (event.muted) text.push('you are muted');
    if (event.others.length > 0) text.push(`also here: ${event.others.join(', ')}`);
    const now = text.join(' · ');
    if (this.status.textContent !== now) this.status.textContent = now;
    this.status.classList.toggle('alert', event.held || event.muted);
    if (!talking && !this.keypad.hidden) this.#toggleKeypad();
  }

  #press(tool, pressed, text, drawing) {
    tool.setAttribute('aria-pressed', String(pressed));
    tool.querySelector('span').textContent = text;
    tool.querySelector('svg').replaceWith(icon(drawing));
  }

  /** Does what this key stands for; says whether it stands for anything. */
  act(key) {
    if (!this.keypad.hidden && KEYS.includes(key)) {
      this.#key(key);
      return true;
    }
    const tool = {
      m: this.mute,
      h: this.hold,
      k: this.keys,
      x: this.transfer,
      c: this.add,
      f: this.door,
      e: this.end,
    }[key];
    if (!tool || tool.hidden) return false;
    if (tool === this.end && !this.#isSure()) return true;
    tool.click();
    return true;
  }

  /** One key must not end a call: whoever types with the cursor in no field would hang up. */
  #isSure() {
    const pressed = performance.now();
    const again = pressed - this.#endPressed < AGAIN_MS;
    this.#endPressed = pressed;
    if (!again) notice('Press E again to end the call.');
    return again;
  }

  async #toggleMute() {
    const muted = !this.#event.muted;
    // Here first: nothing more of what is said leaves the browser, whatever the server says.
    this.#muteLine(muted);
    if (!(await busy(this.mute, () => post(muted ? 'mute' : 'unmute'))))
      this.#muteLine(this.#event.muted);
  }

  #toggleHold() {
    return busy(this.hold, () => post(this.#event.held ? 'resume' : 'hold'));
  }

  #toggleKeypad() {
    const open = this.keypad.hidden;
    this.keypad.hidden = !open;
    this.keys.setAttribute('aria-expanded', String(open));
    this.#sent = '';
    this.keypad.querySelector('output').textContent = '';
    if (open) this.keypad.querySelector('.keys button').focus();
  }

  #key(key) {
    playKey(key);
    this.#sent += key;
    this.keypad.querySelector('output').textContent = this.#sent.slice(-16);
    post('keys', { keys: key }).catch(problem);
  }

  async #send(way) {
    const options = await fresh(this.#options());
    const target = await choose(way === 'transfer' ? 'Transfer the caller to' : 'Add to the call', [
      ['Queues', 'queue', 'queue', way === 'transfer' ? options.targets.queues : []],
      ['Colleagues', 'agent', 'person', options.targets.agents],
      ['Numbers', 'number', 'phone', options.targets.numbers],
    ]);
    if (target) await busy(this.transfer, () => post(way, target));
  }

  async #frontDoor() {
    const task = await choose(
      'Have the front door do',
      [['Tasks', 'task', 'door', this.#options().tasks]],
      'The caller does this with the front door and then comes back to you.',
    );
    if (task) await busy(this.door, () => post('front_door', task));
  }

  #hangUp() {
    return busy(this.end, () => post('hang_up'));
  }
}

// Who is there changes during the day; what was known will do if the server does not say.
async function fresh(known) {
  try {
    return await call('GET', '/api/desk/options');
  } catch {
    return known;
  }
}

const named = (one) =>
  typeof one === 'string'
    ? { id: one, text: words(one) }
    : { id: one.name, text: one.display_name ?? one.title ?? one.spoken ?? words(one.name) };

/** Has one of several lists chosen from; gives `{kind: id}` or null. */
function choose(title, groups, hint) {
  return dialog(title, (done) => {
    const buttons = [];
    const lists = groups
      .filter(([, , , all]) => all?.length > 0)
      .map(([heading, kind, drawing, all]) =>
        el(
          'section',
          {},
          el('h3', { class: 'dim' }, heading),
          el(
            'ul',
            { class: 'choices' },
            all.map(named).map(({ id, text }) => {
              const one = button(text, () => done({ [kind]: id }), { look: 'quiet', drawing });
              buttons.push(one);
              return el('li', {}, one);
            }),
          ),
        ),
      );
    if (buttons.length === 0) return el('p', {}, 'There is nobody and nothing to choose.');
    const shown = () => buttons.filter((one) => !one.parentElement.hidden);
    const filter = el('input', {
      type: 'search',
      'aria-label': 'Search',
      placeholder: 'Type to search',
      autofocus: true,
      autocomplete: 'off',
      oninput: () => {
        const wanted = filter.value.trim().toLowerCase();
        for (const one of buttons)
          one.parentElement.hidden = !one.textContent.toLowerCase().includes(wanted);
        for (const list of lists) list.hidden = !list.querySelector('li:not([hidden])');
      },
    });
    return el(
      'div',
      {
        class: 'choose',
        onkeydown: (event) => {
          const all = shown();
          const at = all.indexOf(document.activeElement);
          if (event.key === 'ArrowDown') all[Math.min(at + 1, all.length - 1)]?.focus();
          else if (event.key === 'ArrowUp') (all[at - 1] ?? filter).focus();
          else if (event.key === 'Enter' && event.target === filter) all[0]?.click();
          else return;
          event.preventDefault();
        },
      },
      hint && el('p', { class: 'hint' }, hint),
      filter,
      lists,
    );
  });
}
