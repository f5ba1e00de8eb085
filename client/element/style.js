/** The style that all list elements share. */

export const baseStyle = new CSSStyleSheet();
baseStyle.replaceSync(`
:host { display: block; container-type: inline-size; font: var(--bellwire-font, 0.9375rem/1.45 system-ui, sans-serif); color: light-dark(#1b2030, #e8eaf1); }
[hidden] { display: none !important; }
.trouble { margin: 0 0 0.5rem; padding: 0.625rem 0.875rem; border-radius: 0.5rem; display: flex; gap: 0.75rem; align-items: center; justify-content: space-between; overflow-wrap: anywhere; color: light-dark(#8f1f18, #ffb4ad); background: light-dark(#fdeeed, #43262a); }
`);
