/** The style of `<bellwire-schedules>`; themed from outside with `--bellwire-…` properties or `::part(schedule)`. */

export const style = new CSSStyleSheet();
style.replaceSync(`
.list { margin: 0; padding: 0; list-style: none; }
.schedule { display: flex; flex-wrap: wrap; gap: 0.5rem 0.875rem; align-items: center; padding: 0.75rem 0.25rem; }
.schedule + .schedule { border-block-start: 1px solid light-dark(#e6e9f0, #2f3646); }
.schedule:focus-visible { outline: 2px solid light-dark(#3157c8, #8fb0ff); outline-offset: 2px; border-radius: 0.5rem; }
.main { flex: 1 1 12rem; min-inline-size: 0; overflow-wrap: anywhere; }
.title { margin: 0; font: inherit; font-weight: 600; unicode-bidi: plaintext; text-align: start; }
.about { margin: 0; display: flex; flex-wrap: wrap; column-gap: 0.5rem; font-size: 0.8125rem; color: light-dark(#5b6378, #aab2c5); }
.about > :not(:empty) ~ :not(:empty)::before { content: '·'; content: '·' / ''; margin-inline-end: 0.5rem; }
.problem { margin: 0.25rem 0 0; font-size: 0.875rem; color: light-dark(#b3261e, #ff9d94); }
.problem:empty { display: none; }
.buttons { display: flex; flex-wrap: wrap; gap: 0.5rem; }
button { min-block-size: 2.25rem; padding: 0.25rem 0.875rem; border-radius: 0.5rem; font: inherit; font-size: 0.875rem; font-weight: 600; cursor: pointer; color: light-dark(#25479f, #b5caff); background: none; border: 1px solid light-dark(#b9c3da, #4d5875); }
button:hover { filter: brightness(1.08); }
button[aria-busy='true'] { opacity: 0.6; cursor: progress; }
button:focus-visible { outline: 2px solid light-dark(#3157c8, #8fb0ff); outline-offset: 2px; }
.note { margin: 0; padding: 0.75rem 0.25rem; color: light-dark(#5b6378, #aab2c5); }
@media (forced-colors: active) { button { border-color: currentColor; } }
`);
