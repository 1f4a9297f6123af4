// The floor, live: queues, agents, and changing what an agent does.

import { call, needSession } from './api.js';
import { agentTable, floorTiles, lookOf, queueTable } from './floor.js';
import { skillFields } from './skills.js';
import { follow } from './sse.js';
import {
  busy,
  button,
  byId,
  dialog,
  el,
  fill,
  fillBar,
  menu,
  notice,
  showCut,
  stateWords,
  toBeginWith,
} from './ui.js';

const session = await toBeginWith(needSession);
fillBar(session);

const { away_reasons: reasons } = await call('GET', '/api/desk/options').catch(() => ({
  away_reasons: [],
}));
const away = reasons.length > 0 ? reasons : ['supervisor'];

function setState(agent, state, reason) {
  return busy(null, async () => {
    await call(
      'POST',
      `/api/floor/agents/${encodeURIComponent(agent.name)}/state`,
      reason ? { state, reason } : { state },
    );
    notice(
      `${agent.display_name}: ${stateWords({ state, reason }).toLowerCase()}. During a call it holds after it.`,
    );
  });
}

function setSkills(agent) {
  const fields = skillFields(agent);
  return dialog(`Skills of ${agent.display_name}`, (done) => {
    const submit = el('button', { class: 'button main' }, 'Save');
    return el(
      'form',
      {
        class: 'skills',
        onsubmit: async (event) => {
          event.preventDefault();
          const saved = await busy(submit, () =>
            call(
              'PUT',
              `/api/floor/agents/${encodeURIComponent(agent.name)}/skills`,
              fields.read(),
            ),
          );
          if (!saved) return;
          done();
          notice('Kept. It holds from the next call on.');
        },
      },
      fields.node,
      el(
        'footer',
        {},
        button('Cancel', () => done()),
        submit,
      ),
    );
  });
}

function stateMenu(agent) {
  const opener = button('', null, {
    look: 'quiet square',
    drawing: 'down',
    'aria-label': `Change the state of ${agent.display_name}`,
  });
  return menu(
    opener,
    () => [
      { text: 'Ready', dot: 'ready', act: () => setState(agent, 'ready') },
      ...away.map((reason) => ({
        text: stateWords({ state: 'away', reason }),
        dot: 'away',
        act: () => setState(agent, 'away', reason),
      })),
      { text: 'Offline', dot: 'offline', act: () => setState(agent, 'offline') },
      { text: 'Skills …', drawing: 'verified', act: () => setSkills(agent) },
    ],
    { end: true },
  );
}

let latest = null;
let shown = '';

function show(floor) {
  latest = floor;
  const look = lookOf(floor);
  if (look === shown) return;
  // An open menu is not pulled away from under somebody's hand; what is new comes when it is closed.
  if (document.querySelector('[role=menu]:not([hidden])')) return;
  shown = look;
  const focused = document.activeElement?.getAttribute('aria-label');
  fill(byId('tiles'), floorTiles(floor));
  fill(byId('queues'), queueTable(floor));
  fill(byId('agents'), agentTable(floor, stateMenu));
  // The rows are made anew: whoever was on one with the keyboard stays there.
  if (focused)
    [...byId('agents').querySelectorAll('button')]
      .find((one) => one.getAttribute('aria-label') === focused)
      ?.focus();
}

follow(
  '/api/floor/events',
  { floor: show },
  { onState: showCut, whenCut: async () => (await needSession()) !== null },
);
document.addEventListener('focusout', () => setTimeout(() => latest && show(latest), 300));
