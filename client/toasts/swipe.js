/** Dismissing a toast by a swipe of finger or pen, past a distance or fast. A mouse selects text instead. */

/** Pixels after which a movement is a swipe. */
const START_DISTANCE = 8;
/** Pixels that dismiss at any speed. */
const SLOW_DISTANCE = 48;
/** Pixels that dismiss a fast swipe. */
const FAST_DISTANCE = 16;
/** Pixels per millisecond of a fast swipe. */
const FAST_SPEED = 0.35;

/**
 * @param {HTMLElement} card
 * @param {{ isAllowed: () => boolean, onStart: () => void, onEnd: (dismissed: boolean) => void }} callbacks
 */
export function makeSwipeable(card, { isAllowed, onStart, onEnd }) {
  /** @type {{ id: number, x: number, y: number, at: number, moving: boolean } | null} */
  let swipe = null;

  card.addEventListener('pointerdown', (event) => {
    if (event.pointerType === 'mouse' || !event.isPrimary || !isAllowed()) return;
    swipe = { id: event.pointerId, x: event.clientX, y: event.clientY, at: performance.now(), moving: false };
  });

  card.addEventListener('pointermove', (event) => {
    if (swipe?.id !== event.pointerId) return;
    const x = event.clientX - swipe.x;
    if (!swipe.moving) {
      if (Math.abs(x) < START_DISTANCE || Math.abs(x) < Math.abs(event.clientY - swipe.y)) return;
      swipe.moving = true;
      card.setPointerCapture(event.pointerId);
      onStart();
    }
    // Towards the near edge it follows the finger, in the other direction it resists.
    const offset = x * edgeDirection(card) > 0 ? x : x / 6;
    card.style.transform = `translateX(${offset}px)`;
    card.style.opacity = String(Math.max(0.2, 1 - Math.abs(offset) / 240));
  });

  /** @param {PointerEvent} event */
  const end = (event) => {
    if (swipe?.id !== event.pointerId) return;
    const { moving, x, at } = swipe;
    swipe = null;
    if (!moving) return;
    const distance = (event.clientX - x) * edgeDirection(card);
    const fast = distance / Math.max(1, performance.now() - at) > FAST_SPEED && distance > FAST_DISTANCE;
    const dismissed = event.type === 'pointerup' && (distance > SLOW_DISTANCE || fast);
    if (!dismissed) card.style.transform = card.style.opacity = '';
    onEnd(dismissed);
  };
  card.addEventListener('pointerup', end);
  card.addEventListener('pointercancel', end);
}

/** The direction of the near edge: 1 for right, or -1 for left in a right-to-left page. @param {HTMLElement} card */
function edgeDirection(card) {
  return getComputedStyle(card).direction === 'rtl' ? -1 : 1;
}
