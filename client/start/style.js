/** The style of `<bellwire-start>`; themed from outside with `--bellwire-…` properties or `::part(offer)`. */

export const style = new CSSStyleSheet();
style.replaceSync(`
.group { margin: 1rem 0 0.25rem; font: inherit; font-size: 0.8125rem; font-weight: 600; color: light-dark(#5b6378, #aab2c5); }
.group:first-child { margin-block-start: 0; }
.offer + .offer { border-block-start: 1px solid light-dark(#e6e9f0, #2f3646); }
summary { display: flex; gap: 0.75rem; align-items: center; padding: 0.5rem 0.25rem; min-block-size: 1.75rem; cursor: pointer; font-weight: 600; list-style: none; overflow-wrap: anywhere; border-radius: 0.5rem; }
summary::-webkit-details-marker { display: none; }
summary:hover { color: light-dark(#25479f, #b5caff); }
.name { flex: 1; min-inline-size: 0; unicode-bidi: plaintext; text-align: start; }
summary .icon { flex: none; inline-size: 1rem; block-size: 1rem; fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linecap: round; stroke-linejoin: round; transition: rotate 160ms ease-out; }
[open] > summary .icon { rotate: 180deg; }
.about, .hint { margin: 0; font-size: 0.875rem; color: light-dark(#566077, #aab2c5); unicode-bidi: plaintext; text-align: start; overflow-wrap: anywhere; }
.about { padding-inline: 0.25rem; white-space: pre-line; }
.form { display: grid; gap: 0.75rem; padding: 0.5rem 0.25rem 1rem; }
.field { display: grid; gap: 0.25rem; min-inline-size: 0; }
.label { font-weight: 600; font-size: 0.875rem; overflow-wrap: anywhere; }
.star { color: light-dark(#b3261e, #ff9d94); }
input, select { box-sizing: border-box; inline-size: 100%; min-inline-size: 0; min-block-size: 2.5rem; padding: 0.4375rem 0.75rem; font: inherit; color: inherit; background: light-dark(#ffffff, #171b27); border: 1px solid light-dark(#8a93a8, #6b758c); border-radius: 0.5rem; }
.check { grid-template-columns: auto 1fr; align-items: center; column-gap: 0.625rem; }
.check .label { order: 1; }
.check .hint { order: 2; grid-column: 1 / -1; }
input[type='checkbox'] { inline-size: 1.125rem; min-block-size: 1.125rem; margin: 0; accent-color: light-dark(#3157c8, #8fb0ff); }
input[type='file'] { padding: 0.375rem; font-size: 0.875rem; }
[aria-invalid='true'] { border-color: light-dark(#b3261e, #ff9d94); outline-color: light-dark(#b3261e, #ff9d94); }
.row { display: flex; flex-wrap: wrap; align-items: center; gap: 0.75rem; }
button { min-block-size: 2.5rem; padding: 0.4375rem 1.125rem; font: inherit; font-weight: 600; cursor: pointer; color: light-dark(#ffffff, #10172a); background: light-dark(#3157c8, #8fb0ff); border: 1px solid transparent; border-radius: 0.5rem; }
button:hover { filter: brightness(1.08); }
button[aria-busy='true'] { opacity: 0.6; cursor: progress; }
.stop, .again { color: light-dark(#25479f, #b5caff); background: none; border-color: light-dark(#b9c3da, #4d5875); }
:is(button, input, select, summary):focus-visible { outline: 2px solid light-dark(#3157c8, #8fb0ff); outline-offset: 2px; }
.status { margin: 0; flex: 1; min-inline-size: 8rem; overflow-wrap: anywhere; font-size: 0.875rem; color: light-dark(#566077, #aab2c5); font-variant-numeric: tabular-nums; }
.status:empty, .failed:empty { display: none; }
.failed { margin: 0; color: light-dark(#b3261e, #ff9d94); overflow-wrap: anywhere; white-space: pre-line; }
.said { margin: 0 0 0.75rem; padding: 0.5rem 0.75rem; border-radius: 0.5rem; overflow-wrap: anywhere; color: light-dark(#17734a, #6fd6a3); background: light-dark(#e9f6ef, #1d3329); }
.note { margin: 0; color: light-dark(#5b6378, #aab2c5); text-wrap: balance; }
@container (min-width: 30rem) { .form { grid-template-columns: 1fr 1fr; align-items: start; } .form > :is(.row, .failed) { grid-column: 1 / -1; } }
@media (prefers-reduced-motion: reduce) { summary .icon { transition: none; } }
@media (forced-colors: active) { button { border-color: currentColor; } }
`);
