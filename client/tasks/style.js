/** The style of `<bellwire-tasks>`; themed from outside with `--bellwire-…` properties or `::part(task)`. */

export const style = new CSSStyleSheet();
style.replaceSync(`
.list { margin: 0; padding: 0; list-style: none; }
.task { display: grid; grid-template-columns: auto minmax(0, 1fr) auto; gap: 0.5rem 0.875rem; align-items: start; padding: 0.875rem 0.25rem; --state: light-dark(#5b6378, #aab2c5); }
.task + .task { border-block-start: 1px solid light-dark(#e6e9f0, #2f3646); }
.task:focus-visible { outline: 2px solid light-dark(#3157c8, #8fb0ff); outline-offset: 2px; border-radius: 0.5rem; }
.task[data-state='running'] { --state: light-dark(#3157c8, #8fb0ff); }
.task[data-state='succeeded'] { --state: light-dark(#17734a, #6fd6a3); }
.task[data-state='failed'] { --state: light-dark(#b3261e, #ff9d94); }
.task[data-state='rejected'] { --state: light-dark(#8a5a00, #f1c15f); }
.mark { flex: none; color: var(--state); block-size: 1.375rem; display: grid; place-items: center; }
.icon { inline-size: 1.25rem; block-size: 1.25rem; fill: none; stroke: currentColor; stroke-width: 1.6; stroke-linecap: round; stroke-linejoin: round; }
.main { min-inline-size: 0; overflow-wrap: anywhere; }
.title { margin: 0; font: inherit; font-weight: 600; unicode-bidi: plaintext; text-align: start; }
.about { margin: 0; display: flex; flex-wrap: wrap; column-gap: 0.5rem; font-size: 0.8125rem; color: light-dark(#5b6378, #aab2c5); font-variant-numeric: tabular-nums; }
.about > :not(:empty, :last-child)::after { content: '·'; content: '·' / ''; margin-inline-start: 0.5rem; font-weight: 400; color: light-dark(#5b6378, #aab2c5); }
.state { color: var(--state); font-weight: 600; }
.result { margin: 0.25rem 0 0; font-size: 0.875rem; color: light-dark(#3d4457, #ccd2e0); unicode-bidi: plaintext; text-align: start; white-space: pre-line; }
.task[data-state='failed'] .result { color: light-dark(#8f1f18, #ffb4ad); }
.task[data-trouble] { --state: light-dark(#8a5a00, #f1c15f); }
.bar { margin-block: 0.5rem 0.25rem; block-size: 0.375rem; border-radius: 1rem; background: light-dark(#e6e9f0, #343b4d); overflow: hidden; }
.fill { block-size: 100%; border-radius: inherit; background: var(--state); transition: inline-size 240ms ease-out; }
.actions { display: flex; flex-wrap: wrap; gap: 0.375rem; }
button, a {
  min-block-size: 1.75rem; padding: 0.25rem 0.75rem; box-sizing: border-box; border-radius: 0.5rem; font: inherit; font-size: 0.8125rem; font-weight: 600; cursor: pointer; text-decoration: none;
  color: light-dark(#25479f, #b5caff); background: light-dark(#eef2fd, #2d364e); border: 1px solid transparent;
}
button:hover, a:hover { background: light-dark(#e0e8fb, #364160); }
button:focus-visible, a:focus-visible { outline: 2px solid light-dark(#3157c8, #8fb0ff); outline-offset: 2px; }
button[aria-busy='true'] { opacity: 0.6; cursor: progress; }
.toggles { display: flex; flex-wrap: wrap; gap: 0.5rem; }
.files { display: flex; flex-wrap: wrap; gap: 0.375rem; margin: 0.5rem 0 0; padding: 0; list-style: none; }
.files[hidden] { display: none; }
.files > li { min-inline-size: 0; }
.files :is(button, a) { max-inline-size: 100%; font-weight: 400; overflow-wrap: anywhere; }
.log { margin: 0.5rem 0 0; padding: 0.5rem 0.625rem; max-block-size: 14rem; overflow: auto; list-style: none; border-radius: 0.5rem; background: light-dark(#f4f6fb, #171b26); font-size: 0.8125rem; }
.log[hidden] { display: none; }
.log:focus-visible { outline: 2px solid light-dark(#3157c8, #8fb0ff); outline-offset: 2px; }
.log > li { display: flex; gap: 0.5rem; overflow-wrap: anywhere; white-space: pre-wrap; }
.log time { flex: none; color: light-dark(#5b6378, #aab2c5); font-variant-numeric: tabular-nums; }
.log [data-level='warning'] > span { color: light-dark(#8a5a00, #f1c15f); }
.log [data-level='error'] > span { color: light-dark(#b3261e, #ff9d94); }
.older { margin-block-start: 0.75rem; }
.note { margin: 0; padding: 1.5rem 0.25rem; color: light-dark(#5b6378, #aab2c5); text-wrap: balance; }
.task[data-state='running'] > .mark .icon { animation: turn 2.4s linear infinite; }
@keyframes turn { to { transform: rotate(1turn); } }
@container (max-width: 28rem) { .actions { grid-column: 2; } .actions:empty { display: none; } }
@media (prefers-reduced-motion: reduce) { .fill { transition: none; } .task[data-state='running'] > .mark .icon { animation: none; } }
@media (forced-colors: active) { .bar { border: 1px solid; } .fill { background: Highlight; } button, a { border-color: currentColor; } }
`);
