// What is heard at the desk: the line of a call, and the ring of an offer.

import {
  canChooseSpeaker,
  devices,
  Line,
  microphoneIsAllowed,
  openMicrophone,
  playTones,
} from './rtc.js';
import { kept } from './ui.js';

/**
 * A line with its offer made, ready to be sent: taking a call is then one round trip. Throws what
 * openMicrophone throws.
 */
export async function prepareLine(iceServers) {
  const stream = await openMicrophone(kept.get('microphone'));
  const line = new Line(stream, iceServers);
  try {
    line.useSpeaker(kept.get('speaker')).catch(() => {});
    return { line, sdp: await line.offer() };
  } catch (error) {
    line.close();
    throw error;
  }
}

export { canChooseSpeaker, devices, microphoneIsAllowed, openMicrophone };

// ---- the ring ----

const RING = [
  [660, 880],
  [550, 660],
  [660, 880],
];
let ringing = 0;
let flashing = 0;
let title = '';

export const ringVolume = () => kept.get('ring', 0.5);

/** Rings once, to try it. */
export const ringOnce = () => playTones(RING, 180, ringVolume() * 0.4);

/** Rings, flashes the title, and shows a notification if the page is out of sight. */
export function startRing(text) {
  stopRing();
  ringOnce();
  ringing = setInterval(ringOnce, 2500);
  title = document.title;
  let on = false;
  const flash = () => {
    on = !on;
    document.title = on ? `● ${text}` : title;
  };
  flash();
  flashing = setInterval(flash, 1000);
  if (document.hidden && window.Notification?.permission === 'granted') {
    // It says no more than that there is a call: it may be seen by others.
    const shown = new Notification('A call for you', {
      tag: 'frontdoor-offer',
      requireInteraction: true,
    });
    shown.onclick = () => {
      window.focus();
      shown.close();
    };
    const gone = setInterval(() => {
      if (ringing) return;
      shown.close();
      clearInterval(gone);
    }, 500);
  }
}

/** Is quiet again. */
export function stopRing() {
  if (!ringing) return;
  clearInterval(ringing);
  clearInterval(flashing);
  ringing = 0;
  document.title = title;
}
