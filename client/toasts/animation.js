/** The animation of toasts that appear, disappear and move; none with reduced motion. */

/** @param {HTMLElement} card */
export function animateIn(card) {
  if (prefersReducedMotion()) return;
  card.animate([{ opacity: 0, transform: 'scale(0.96)' }, { opacity: 1, transform: 'none' }], { duration: 220, easing: 'cubic-bezier(0.2, 0.8, 0.3, 1)' });
}

/** @param {HTMLElement} card @param {boolean} swiped true if a swipe has moved it already */
export async function animateOut(card, swiped) {
  if (prefersReducedMotion() || card.hidden || !card.isConnected || document.hidden) return;
  const to = swiped ? { opacity: 0 } : { opacity: 0, transform: 'scale(0.97)' };
  await card.animate([to], { duration: 130, easing: 'ease-out', fill: 'forwards' }).finished.catch(() => {});
}

/**
 * Changes the list, and animates cards to their new positions.
 * @param {HTMLElement[]} cards @param {() => void} change
 */
export function animateMoves(cards, change) {
  const still = prefersReducedMotion();
  const before = still ? [] : cards.map((card) => card.getBoundingClientRect().top);
  change();
  if (still) return;
  cards.forEach((card, index) => {
    const moved = before[index] - card.getBoundingClientRect().top;
    if (!moved || before[index] === 0) return;
    card.animate([{ transform: `translateY(${moved}px)` }, { transform: 'none' }], { duration: 180, easing: 'ease-out', composite: 'add' });
  });
}

function prefersReducedMotion() {
  return matchMedia('(prefers-reduced-motion: reduce)').matches;
}
