/** The style of a run's graph. */

export const graphStyle = new CSSStyleSheet();
graphStyle.replaceSync(`
.graph { grid-column: 1 / -1; margin: 0.25rem -0.25rem 0.25rem; padding: 0.75rem 0.25rem; border-radius: 0.75rem; position: relative; overflow-x: auto; background: light-dark(#f6f8fc, #191e2b); }
.graph:focus-visible { outline: 2px solid light-dark(#3157c8, #8fb0ff); outline-offset: 2px; }
.steps { direction: ltr; min-inline-size: calc(var(--widest, 1) * 6.75rem); }
.rank { display: flex; align-items: stretch; }
.step-slot, .pass { flex: 1 1 0; min-inline-size: 0; }
.step-slot { display: grid; padding-inline: 0.25rem; justify-items: center; }
.step {
  box-sizing: border-box; inline-size: 100%; max-inline-size: 17rem; padding: 0.5rem 0.625rem; border-radius: 0.625rem; font-size: 0.8125rem; line-height: 1.35;
  background: light-dark(#ffffff, #242a3a); border: 1px solid light-dark(#d5dae6, #3f475b); border-inline-start: 3px solid var(--state); --state: light-dark(#6b7388, #98a1b6);
}
.step[data-state='running'] { --state: light-dark(#3157c8, #8fb0ff); }
.step[data-state='asked'] { --state: light-dark(#8a5a00, #f1c15f); }
.step[data-state='succeeded'] { --state: light-dark(#17734a, #6fd6a3); }
.step[data-state='rejected'] { --state: light-dark(#8a5a00, #f1c15f); }
.step[data-state='failed'] { --state: light-dark(#b3261e, #ff9d94); }
.step:is([data-state='waiting'], [data-state='skipped'], [data-state='cancelled']) { border-style: dashed; border-inline-start-style: solid; }
.step p { margin: 0; }
.step-head { display: flex; gap: 0.375rem; align-items: flex-start; font-weight: 600; overflow-wrap: anywhere; }
.step-mark { flex: none; display: grid; color: var(--state); margin-block-start: 0.0625rem; }
.step-mark .icon { inline-size: 1rem; block-size: 1rem; }
.step[data-state='running'] .step-mark .icon { animation: turn 2.4s linear infinite; }
.step-about { color: var(--state); font-variant-numeric: tabular-nums; }
.step .bar { margin-block: 0.25rem 0; block-size: 0.25rem; }
.step-note { color: light-dark(#4a5268, #b9c0d0); overflow-wrap: anywhere; white-space: pre-line; display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 6; line-clamp: 6; overflow: hidden; }
.step-note:empty, .step-link:empty { display: none; }
.step-link { display: block; margin-block-start: 0.25rem; }
.step-link > * { display: inline-block; max-inline-size: 100%; }
.pass { --line: light-dark(#aeb6c8, #5a6379); background: linear-gradient(var(--line), var(--line)) center / 1.5px 100% no-repeat; }
.lines { display: block; inline-size: 100%; block-size: 1.375rem; fill: none; stroke: light-dark(#aeb6c8, #5a6379); stroke-width: 1.5; overflow: visible; }
.lines path { vector-effect: non-scaling-stroke; }
.lines path[data-state='succeeded'] { stroke: light-dark(#17734a, #6fd6a3); }
.pass[data-state='succeeded'] { --line: light-dark(#17734a, #6fd6a3); }
.unseen { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.toggle { display: inline-flex; align-items: center; gap: 0.375rem; margin-block-start: 0.375rem; }
.toggle .icon { inline-size: 0.875rem; block-size: 0.875rem; transition: rotate 160ms ease-out; }
.toggle[aria-expanded='true'] .icon { rotate: 180deg; }
@media (prefers-reduced-motion: reduce) { .step[data-state='running'] .step-mark .icon { animation: none; } .toggle .icon { transition: none; } }
@media (forced-colors: active) { .step, .graph { border: 1px solid; } .lines { stroke: CanvasText; } .pass { --line: CanvasText; } }
`);
