// Operations: leads to one of its views by the part of the address after `#`.

import { needSession } from './api.js';
import { accountsView, auditView, tokensView } from './ops-admin.js';
import { liveView } from './ops-live.js';
import { recordsView } from './ops-records.js';
import { todayView } from './ops-today.js';
import { byId, el, fill, fillBar, problem, showCut, toBeginWith } from './ui.js';

const session = await toBeginWith(needSession);
fillBar(session);

const VIEWS = [
  ['live', 'Live', liveView],
  ['today', 'Today', todayView],
  ['records', 'Records', recordsView],
  ...(session.role === 'admin'
    ? [
        ['accounts', 'Accounts', accountsView],
        ['tokens', 'Tokens', tokensView],
        ['audit', 'Audit', auditView],
      ]
    : []),
];

let leave = null;

/**
 * Shows the view that the address names. A view is given its place and the rest of the address, and
 * gives what is to be done when it is left.
 */
async function go() {
  const [name, ...rest] = location.hash.slice(1).split('/').map(decodeURIComponent);
  const [id, text, view] = VIEWS.find(([one]) => one === name) ?? VIEWS[0];
  leave?.();
  leave = null;
  showCut('open');
  fill(
    byId('subnav'),
    VIEWS.map(([one, label]) =>
      el('a', { href: `#${one}`, 'aria-current': one === id ? 'page' : null }, label),
    ),
  );
  document.title = `${text} · Operations · frontdoor`;
  const place = el('div', { class: 'page-inner' });
  fill(byId('main'), el('h1', { class: 'unseen' }, `Operations: ${text}`), place);
  try {
    const left = await view(place, rest, session);
    // Somebody may have gone on meanwhile.
    if (place.isConnected) leave = left ?? null;
    else left?.();
  } catch (error) {
    problem(error);
    fill(place, el('p', { class: 'note bad' }, error.message));
  }
}

window.addEventListener('hashchange', () => {
  go();
  byId('main').focus({ preventScroll: true });
});
go();
