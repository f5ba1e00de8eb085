/** How toasts come, go and make room. With reduced motion they are simply there, or not. */

/** @param {HTMLElement} card */
export function enter(card) {
  if (isStill()) return;
  card.animate([{ opacity: 0, transform: 'scale(0.96)' }, { opacity: 1, transform: 'none' }], { duration: 220, easing: 'cubic-bezier(0.2, 0.8, 0.3, 1)' });
}

/** @param {HTMLElement} card @param {boolean} swiped whether it goes on from where the finger left it */
export async function leave(card, swiped) {
  if (isStill() || card.hidden || !card.isConnected || document.hidden) return;
  const to = swiped ? { opacity: 0 } : { opacity: 0, transform: 'scale(0.97)' };
  await card.animate([to], { duration: 130, easing: 'ease-out', fill: 'forwards' }).finished.catch(() => {});
}

/**
 * Makes a change to the list; cards that it moves glide to their new places.
 * @param {HTMLElement[]} cards @param {() => void} change
 */
export function settle(cards, change) {
  const still = isStill();
  const before = still ? [] : cards.map((card) => card.getBoundingClientRect().top);
  change();
  if (still) return;
  cards.forEach((card, n) => {
    const moved = before[n] - card.getBoundingClientRect().top;
    if (!moved || before[n] === 0) return;
    card.animate([{ transform: `translateY(${moved}px)` }, { transform: 'none' }], { duration: 180, easing: 'ease-out', composite: 'add' });
  });
}

function isStill() {
  return matchMedia('(prefers-reduced-motion: reduce)').matches;
}
