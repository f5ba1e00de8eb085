/** The style of `<bellwire-toasts>`; themed from outside with `--bellwire-…` properties or `::part(toast)`. */

export const style = new CSSStyleSheet();
style.replaceSync(`
:host { display: block; }
.region {
  position: fixed; inset: auto 0 0 auto; margin: 0; padding: 0; border: 0; background: none; overflow: visible;
  inline-size: min(25rem, 100vw); max-block-size: 100dvh; box-sizing: border-box; pointer-events: none;
  padding-block: max(1rem, env(safe-area-inset-top)) max(1rem, env(safe-area-inset-bottom));
  padding-inline: max(1rem, env(safe-area-inset-left)) max(1rem, env(safe-area-inset-right));
  font: var(--bellwire-font, 0.9375rem/1.45 system-ui, sans-serif); color: light-dark(#1b2030, #e8eaf1);
}
.region:dir(rtl) { inset: auto auto 0 0; }
.region[data-at='top'] { inset-block: 0 auto; }
.region:focus { outline: none; }
.stack { display: flex; flex-direction: column; align-items: stretch; gap: 0.5rem; max-block-size: calc(100dvh - 2rem); }
.list {
  display: flex; flex-direction: column; gap: 0.625rem; list-style: none; min-block-size: 0;
  margin: -1rem; padding: 1rem; /* room for shadows, which a scrolling box would cut off */ overflow-y: auto; overscroll-behavior: contain; scrollbar-width: thin;
}
.toast {
  position: relative; flex: none; display: flex; gap: 0.75rem; align-items: flex-start; box-sizing: border-box;
  padding: 0.875rem 0.75rem 0.875rem 1rem; border-radius: 0.75rem; touch-action: pan-y; pointer-events: auto;
  background: var(--bellwire-toast-surface, light-dark(#ffffff, #222736));
  border: 1px solid light-dark(#dfe3ec, #3a4152);
  box-shadow: 0 1px 2px rgb(15 20 40 / 0.08), 0 2px 12px rgb(15 20 40 / 0.12);
  --level: light-dark(#3157c8, #8fb0ff);
}
.toast[hidden] { display: none; }
.toast + .toast::before { content: ''; position: absolute; inset: -0.6875rem 0 auto; block-size: 0.625rem; } /* the pointer may cross the gap */
.toast[data-level='success'] { --level: light-dark(#17734a, #6fd6a3); }
.toast[data-level='warning'] { --level: light-dark(#8a5a00, #f1c15f); }
.toast[data-level='error'] { --level: light-dark(#b3261e, #ff9d94); }
.toast:focus-visible, .close:focus-visible, .action:focus-visible, .decide:focus-visible, .more:focus-visible {
  outline: 2px solid light-dark(#3157c8, #8fb0ff); outline-offset: 2px;
}
.icon { flex: none; inline-size: 1.25rem; block-size: 1.25rem; fill: none; stroke: currentColor; stroke-width: 1.6; stroke-linecap: round; stroke-linejoin: round; }
.toast > .icon { color: var(--level); margin-block-start: 0.0625rem; }
.main { flex: 1; min-inline-size: 0; overflow-wrap: anywhere; }
.title { margin: 0; font-weight: 600; unicode-bidi: plaintext; text-align: start; }
.level { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.body { margin: 0.125rem 0 0; color: light-dark(#4a5268, #b9c0d0); white-space: pre-line; max-block-size: min(9rem, 25dvh); overflow-y: auto; }
.failed { margin: 0.25rem 0 0; color: light-dark(#b3261e, #ff9d94); }
.action {
  display: inline-block; margin-block-start: 0.5rem; padding: 0.25rem 0.75rem; border-radius: 0.5rem; font: inherit; font-weight: 600;
  color: light-dark(#25479f, #b5caff); background: light-dark(#eef2fd, #2d364e); border: 1px solid transparent; text-decoration: none; cursor: pointer;
}
.action:hover { background: light-dark(#e0e8fb, #364160); }
.action[aria-busy='true'] { opacity: 0.6; cursor: progress; }
.decisions { display: flex; flex-wrap: wrap; gap: 0.5rem; margin-block-start: 0.625rem; }
.decide { min-block-size: 2rem; padding: 0.25rem 0.875rem; border-radius: 0.5rem; font: inherit; font-weight: 600; cursor: pointer; color: light-dark(#25479f, #b5caff); background: none; border: 1px solid light-dark(#b9c3da, #4d5875); }
.decide.approve { color: light-dark(#ffffff, #10172a); background: light-dark(#3157c8, #8fb0ff); border-color: transparent; }
.decide:hover { filter: brightness(1.08); }
.decide:is(:disabled, [aria-busy='true']) { opacity: 0.6; cursor: default; }
.close {
  flex: none; inline-size: 1.75rem; block-size: 1.75rem; margin: -0.25rem -0.125rem 0 0; padding: 0; border: 0; border-radius: 0.5rem;
  display: grid; place-items: center; background: none; color: light-dark(#5b6378, #aab2c5); cursor: pointer;
}
.close:hover { background: light-dark(#eef0f5, #323949); color: inherit; }
.close .icon { inline-size: 1rem; block-size: 1rem; }
.more {
  align-self: flex-end; pointer-events: auto; min-block-size: 1.75rem; padding: 0.125rem 0.75rem; border-radius: 1rem; font: inherit; font-size: 0.8125rem; cursor: pointer;
  color: light-dark(#3d4457, #ccd2e0); background: light-dark(#ffffff, #222736); border: 1px solid light-dark(#dfe3ec, #3a4152); box-shadow: 0 2px 8px rgb(15 20 40 / 0.1);
}
.more[hidden] { display: none; }
@media (max-width: 30rem) { .region { inline-size: 100vw; } }
@media (forced-colors: active) {
  .toast, .more, .action, .decide, .close { border: 1px solid; }
  .toast > .icon { color: CanvasText; }
}
`);
