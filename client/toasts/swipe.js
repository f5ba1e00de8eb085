/** Swiping a toast away, by finger or pen: past a threshold, or fast. A mouse selects text instead. */

const BEGINS = 8;
const THRESHOLD = 48;
const FAST = 0.35; // pixels per millisecond
const LEAST = 16;

/**
 * @param {HTMLElement} card
 * @param {{ may: () => boolean, onStart: () => void, onEnd: (gone: boolean) => void }} heard
 */
export function makeSwipeable(card, { may, onStart, onEnd }) {
  /** @type {{ id: number, x: number, y: number, at: number, moving: boolean } | null} */
  let swipe = null;

  card.addEventListener('pointerdown', (event) => {
    if (event.pointerType === 'mouse' || !event.isPrimary || !may()) return;
    swipe = { id: event.pointerId, x: event.clientX, y: event.clientY, at: performance.now(), moving: false };
  });

  card.addEventListener('pointermove', (event) => {
    if (swipe?.id !== event.pointerId) return;
    const x = event.clientX - swipe.x;
    if (!swipe.moving) {
      if (Math.abs(x) < BEGINS || Math.abs(x) < Math.abs(event.clientY - swipe.y)) return;
      swipe.moving = true;
      card.setPointerCapture(event.pointerId);
      onStart();
    }
    // Towards the near edge it follows the finger, the other way it resists.
    const along = x * outward(card) > 0 ? x : x / 6;
    card.style.transform = `translateX(${along}px)`;
    card.style.opacity = String(Math.max(0.2, 1 - Math.abs(along) / 240));
  });

  /** @param {PointerEvent} event */
  const end = (event) => {
    if (swipe?.id !== event.pointerId) return;
    const { moving, x, at } = swipe;
    swipe = null;
    if (!moving) return;
    const way = (event.clientX - x) * outward(card);
    const fast = way / Math.max(1, performance.now() - at) > FAST && way > LEAST;
    const gone = event.type === 'pointerup' && (way > THRESHOLD || fast);
    if (!gone) card.style.transform = card.style.opacity = '';
    onEnd(gone);
  };
  card.addEventListener('pointerup', end);
  card.addEventListener('pointercancel', end);
}

/** Which way the near edge is: right, or left where the page is read from right to left. @param {HTMLElement} card */
function outward(card) {
  return getComputedStyle(card).direction === 'rtl' ? -1 : 1;
}
