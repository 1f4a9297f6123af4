// Signing in, and changing one's password.

import { ask, signIn, whoAmI } from './api.js';
import { byId, pagesOf } from './ui.js';

/** Where to go on: where one came from, if that is a page of ours, or the first page of one's role. */
function goOn(session) {
  const next = new URLSearchParams(location.search).get('next') ?? '';
  location.replace(
    pathOfOurs(next) ?? pagesOf(session.role).at(session.role === 'agent' ? 0 : -1)?.path ?? '/',
  );
}

/**
 * The path, if it is one of this site. It is read as the browser will read it: `//other.example` is another
 * site, and so is the same with a tab between the slashes.
 */
function pathOfOurs(next) {
  if (!next.startsWith('/')) return null;
  let url;
  try {
    url = new URL(next, location.origin);
  } catch {
    return null;
  }
  if (url.origin !== location.origin || url.pathname.startsWith('/sign-in')) return null;
  // Two slashes at its beginning would be another site once more.
  return url.pathname.startsWith('//') ? null : url.pathname + url.search + url.hash;
}

function askForNewPassword(session, old) {
  byId('sign-in').hidden = true;
  byId('change').hidden = false;
  byId('why').hidden = !session.must_change_password;
  byId('change-name').value = session.name;
  byId('old').value = old;
  byId(old ? 'new' : 'old').focus();
  document.title = 'New password · frontdoor';
}

/** Sends a form, with its button off meanwhile, and shows what went wrong. */
function onSubmit(id, send) {
  const form = byId(id);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const submit = form.querySelector('button');
    const problem = byId(`${id}-problem`);
    problem.textContent = '';
    submit.disabled = true;
    try {
      await send();
    } catch (error) {
      problem.textContent = [error.message, error.fix].filter(Boolean).join(' ');
    } finally {
      submit.disabled = false;
    }
  });
}

onSubmit('sign-in', async () => {
  const password = byId('password').value;
  let session;
  try {
    session = await signIn(byId('name').value.trim(), password);
  } catch (error) {
    byId('password').select();
    throw error;
  }
  if (session.must_change_password) askForNewPassword(session, password);
  else goOn(session);
});

onSubmit('change', async () => {
  if (byId('new').value !== byId('again').value) throw new Error('The two new passwords differ.');
  if (byId('new').value === byId('old').value)
    throw new Error('That is the present password. Choose another one.');
  await ask('POST', '/api/session/password', {
    json: { old: byId('old').value, new: byId('new').value },
  });
  const session = await whoAmI();
  if (session) goOn(session);
  else location.replace('/sign-in');
});

const session = await whoAmI().catch(() => null);
if (session?.must_change_password || (session && location.hash === '#change'))
  askForNewPassword(session, '');
else if (session) goOn(session);
else byId('name').focus();
