/** The style of `<bellwire-approvals>`; themed from outside with `--bellwire-…` properties or `::part(question)`. */

export const style = new CSSStyleSheet();
style.replaceSync(`
.list { margin: 0; padding: 0; list-style: none; }
.asked { display: flex; gap: 0.875rem; padding: 0.875rem 0.25rem; }
.asked + .asked { border-block-start: 1px solid light-dark(#e6e9f0, #2f3646); }
.asked:focus-visible { outline: 2px solid light-dark(#3157c8, #8fb0ff); outline-offset: 2px; border-radius: 0.5rem; }
.icon { flex: none; inline-size: 1.25rem; block-size: 1.25rem; fill: none; stroke: light-dark(#8a5a00, #f1c15f); stroke-width: 1.6; stroke-linecap: round; stroke-linejoin: round; }
.main { flex: 1; min-inline-size: 0; overflow-wrap: anywhere; }
.title { margin: 0; font: inherit; font-weight: 600; unicode-bidi: plaintext; text-align: start; white-space: pre-line; }
.about { margin: 0; display: flex; flex-wrap: wrap; column-gap: 0.5rem; font-size: 0.8125rem; color: light-dark(#5b6378, #aab2c5); }
.about > :not(:empty, :last-child)::after { content: '·'; content: '·' / ''; margin-inline-start: 0.5rem; }
.approved { margin: 0.25rem 0 0; font-size: 0.875rem; overflow-wrap: anywhere; }
.approved:empty { display: none; }
.shown { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: 0.125rem 0.75rem; margin: 0.375rem 0 0; font-size: 0.875rem; }
.shown dt { color: light-dark(#5b6378, #aab2c5); }
.shown dd { margin: 0; overflow-wrap: anywhere; }
.files { display: flex; flex-wrap: wrap; gap: 0.375rem; margin: 0.5rem 0 0; padding: 0; list-style: none; }
.files > li { min-inline-size: 0; }
.files button, .files a { max-inline-size: 100%; font-weight: 400; overflow-wrap: anywhere; }
.form { display: grid; gap: 0.5rem; margin-block-start: 0.5rem; font-size: 0.875rem; }
.form[hidden] { display: none; }
.field { display: grid; gap: 0.125rem; justify-items: start; }
.field :is(input, select) { min-block-size: 2.25rem; max-inline-size: 100%; box-sizing: border-box; padding: 0.25rem 0.625rem; border-radius: 0.5rem; font: inherit; color: inherit; background: light-dark(#ffffff, #171b27); border: 1px solid light-dark(#8a93a8, #6b758c); }
.field :is(input, select):focus-visible { outline: 2px solid light-dark(#3157c8, #8fb0ff); outline-offset: 2px; }
.field.check { display: flex; flex-flow: row-reverse wrap; justify-content: flex-end; align-items: center; gap: 0.5rem; }
.field input[type=checkbox] { min-block-size: auto; inline-size: 1.125rem; block-size: 1.125rem; margin: 0; }
.hint { margin: 0; font-size: 0.8125rem; color: light-dark(#566077, #aab2c5); }
.answer { display: flex; flex-wrap: wrap; gap: 0.5rem; margin-block-start: 0.5rem; }
.comment { flex: 1 1 10rem; min-inline-size: 0; min-block-size: 2.25rem; box-sizing: border-box; padding: 0.25rem 0.625rem; border-radius: 0.5rem; font: inherit; font-size: 0.875rem; color: inherit; background: light-dark(#ffffff, #171b27); border: 1px solid light-dark(#8a93a8, #6b758c); }
.comment::placeholder { color: light-dark(#5b6378, #aab2c5); opacity: 1; }
button { min-block-size: 2.25rem; padding: 0.25rem 1rem; border-radius: 0.5rem; font: inherit; font-size: 0.875rem; font-weight: 600; cursor: pointer; color: light-dark(#25479f, #b5caff); background: none; border: 1px solid light-dark(#b9c3da, #4d5875); }
.approve { color: light-dark(#ffffff, #10172a); background: light-dark(#3157c8, #8fb0ff); border-color: transparent; }
button:hover { filter: brightness(1.08); }
button[aria-busy='true'] { opacity: 0.6; cursor: progress; }
:is(button, .comment):focus-visible { outline: 2px solid light-dark(#3157c8, #8fb0ff); outline-offset: 2px; }
.failed { margin: 0.375rem 0 0; font-size: 0.875rem; color: light-dark(#b3261e, #ff9d94); }
.failed:empty { display: none; }
.note { margin: 0; padding: 0.75rem 0.25rem; color: light-dark(#5b6378, #aab2c5); }
@container (max-width: 24rem) { .comment { flex-basis: 100%; } }
@media (forced-colors: active) { button { border-color: currentColor; } }
`);
