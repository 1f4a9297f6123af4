// The desk between calls: whether calls come, who waits, the set-up of this place, today's calls.

import { canChooseSpeaker, devices, openMicrophone, ringOnce, ringVolume } from './desk-audio.js';
import { watchLevel } from './rtc.js';
import { button, clock, el, fill, kept, problem, when, words } from './ui.js';

const SAID = {
  ready: [
    'You are ready',
    'The next caller comes to you, with everything that is known about them.',
  ],
  away: ['You are away', 'No calls come to you. Go ready when you are back.'],
  offline: ['You are offline', 'Go ready, and calls come to you.'],
  offered: ['A call is coming', ''],
  talking: ['You are in a call', ''],
  wrap_up: ['Wrap-up', ''],
};

export class Idle {
  #stopLevel = null;
  #stream = null;

  constructor({ goReady, openStates }) {
    this.title = el('h2', { class: 'huge' });
    this.text = el('p', { class: 'dim' });
    this.ready = button('Go ready', goReady, { look: 'go', drawing: 'check', key: 'R' });
    this.away = button('Away', openStates, { drawing: 'away', key: 'A' });
    // Browsers let a page make sound once somebody has clicked or typed in it.
    this.silent = el(
      'p',
      { class: 'note warn', hidden: true },
      'Click here once: until then the browser does not let this page ring.',
    );
    window.addEventListener(
      'pointerdown',
      () => {
        this.silent.hidden = true;
      },
      { once: true },
    );
    this.queues = el('tbody');
    this.calls = el('tbody');
    this.none = el('p', { class: 'dim pad' }, 'Your calls of this session will be listed here.');
    this.node = el(
      'div',
      { class: 'idle' },
      el(
        'section',
        { class: 'panel hero', 'aria-label': 'Your state' },
        this.title,
        this.text,
        el('div', { class: 'row' }, this.ready, this.away),
        this.silent,
      ),
      el(
        'section',
        { class: 'panel listing', 'aria-label': 'Queues', tabindex: 0 },
        el('h2', { class: 'head' }, 'Queues'),
        el(
          'table',
          {},
          el(
            'thead',
            {},
            el(
              'tr',
              {},
              ['Queue', 'Waiting', 'Longest wait', 'Agents ready'].map((text, at) =>
                el('th', { scope: 'col', class: at ? 'right' : null }, text),
              ),
            ),
          ),
          this.queues,
        ),
      ),
      el(
        'section',
        { class: 'panel listing', 'aria-label': 'Your calls', tabindex: 0 },
        el('h2', { class: 'head' }, 'Your calls'),
        this.none,
        (this.table = el(
          'table',
          { hidden: true },
          el(
            'thead',
            {},
            el(
              'tr',
              {},
              ['Time', 'About', 'Outcome', 'Length'].map((text, at) =>
                el('th', { scope: 'col', class: at === 3 ? 'right' : null }, text),
              ),
            ),
          ),
          this.calls,
        )),
      ),
      this.#setUp(),
    );
  }

  #setUp() {
    this.microphone = el('select', {
      id: 'microphone',
      onchange: () => {
        kept.set('microphone', this.microphone.value || null);
        this.#restart();
      },
    });
    this.speaker = el('select', {
      id: 'speaker',
      onchange: () => kept.set('speaker', this.speaker.value || null),
    });
    this.meter = el('div', { class: 'meter grow', 'aria-hidden': 'true' }, el('i'));
    this.check = button('Check microphone', () => this.#toggleCheck(), {
      drawing: 'mic',
      'aria-pressed': 'false',
    });
    const volume = el('input', {
      id: 'ring',
      type: 'range',
      min: 0,
      max: 1,
      step: 0.1,
      value: ringVolume(),
      onchange: () => {
        kept.set('ring', Number(volume.value));
        ringOnce();
      },
    });
    this.notify = button(
      'Show notifications',
      async () => {
        await Notification.requestPermission();
        this.#showNotify();
      },
      { drawing: 'info' },
    );
    this.#showNotify();
    this.fillDevices();
    navigator.mediaDevices?.addEventListener?.('devicechange', () => this.fillDevices());
    return el(
      'section',
      { class: 'panel setup', 'aria-label': 'Sound' },
      el('h2', {}, 'Sound'),
      el(
        'div',
        { class: 'field' },
        el('label', { for: 'microphone' }, 'Microphone'),
        this.microphone,
      ),
      canChooseSpeaker &&
        el('div', { class: 'field' }, el('label', { for: 'speaker' }, 'Speaker'), this.speaker),
      el('div', { class: 'row' }, this.check, this.meter),
      el(
        'div',
        { class: 'field' },
        el('label', { for: 'ring' }, 'Ring'),
        el(
          'div',
          { class: 'row' },
          el('div', { class: 'grow' }, volume),
          button('Try', ringOnce, { drawing: 'volume' }),
        ),
      ),
      this.notify,
    );
  }

  #showNotify() {
    this.notify.hidden = !window.Notification || Notification.permission !== 'default';
  }

  async fillDevices() {
    const found = await devices();
    const choices = (list, chosen) => [
      el('option', { value: '' }, 'As the system says'),
      ...list
        .filter((one) => one.id !== 'default')
        .map((one) => el('option', { value: one.id, selected: one.id === chosen }, one.label)),
    ];
    fill(this.microphone, choices(found.microphones, kept.get('microphone')));
    fill(this.speaker, choices(found.speakers, kept.get('speaker')));
  }

  async #toggleCheck() {
    if (this.#stream) {
      this.leave();
      return;
    }
    try {
      this.#stream = await openMicrophone(kept.get('microphone'));
    } catch (error) {
      problem(error);
      return;
    }
    this.check.setAttribute('aria-pressed', 'true');
    this.#stopLevel = watchLevel(this.#stream, (level) =>
      this.meter.style.setProperty('--level', level.toFixed(2)),
    );
    this.fillDevices();
  }

  async #restart() {
    if (!this.#stream) return;
    this.leave();
    await this.#toggleCheck();
  }

  /** Lets the microphone go. */
  leave() {
    this.#stopLevel?.();
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#stream = null;
    this.#stopLevel = null;
    this.check.setAttribute('aria-pressed', 'false');
    this.meter.style.setProperty('--level', 0);
  }

  /** What came of the latest call. */
  noteOutcome(text) {
    if (this.outcome) this.outcome.textContent = words(text);
  }

  showState({ state }) {
    const [title, text] = SAID[state] ?? [words(state), ''];
    this.title.textContent = title;
    this.text.textContent = text;
    this.ready.hidden = !['away', 'offline'].includes(state);
    this.away.hidden = state !== 'ready';
    this.silent.hidden = state !== 'ready' || (navigator.userActivation?.hasBeenActive ?? true);
    this.node.dataset.state = state;
  }

  showQueues(queues) {
    fill(
      this.queues,
      queues.map((queue) =>
        el(
          'tr',
          {},
          el('th', { scope: 'row' }, words(queue.name)),
          el('td', { class: 'right' }, String(queue.waiting)),
          el('td', { class: 'right' }, queue.waiting > 0 ? clock(queue.longest_wait_s) : '–'),
          el(
            'td',
            { class: queue.agents_ready > 0 ? 'right' : 'right warn' },
            String(queue.agents_ready),
          ),
        ),
      ),
    );
  }

  /** One more call, for this page's memory only. */
  addCall({ at, about, seconds }) {
    this.none.hidden = true;
    this.table.hidden = false;
    this.calls.prepend(
      el(
        'tr',
        {},
        el('td', { class: 'number' }, when(at)),
        el('td', {}, about),
        (this.outcome = el('td')),
        el('td', { class: 'right' }, clock(seconds)),
      ),
    );
    while (this.calls.children.length > 50) this.calls.lastChild.remove();
  }
}
