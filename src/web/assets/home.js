// The way in: to the call, and to the pages of one's role.

import { ask, whoAmI } from './api.js';
import { byId, el, pagesOf } from './ui.js';

ask('GET', '/api/call/options')
  .then((response) => response.json())
  .then(({ house }) => {
    if (house) byId('house').textContent = house;
  })
  .catch(() => {
    // The links lead on all the same, and say what is wrong there.
  });

const session = await whoAmI().catch(() => null);
if (session) {
  byId('staff').replaceWith(
    ...pagesOf(session.role).map((page) =>
      el('a', { class: 'button', href: page.path }, page.text),
    ),
  );
}
