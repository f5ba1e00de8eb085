import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';

import { launch, pageErrors } from '../browser.js';
import { approvalAsked, FakeGateway, toast } from '../fake-gateway.js';

const RUN = '01JD0000000000000000000001';
const STATES = ['waiting', 'running', 'asked', 'succeeded', 'failed', 'skipped', 'cancelled', 'compensated'];
let browser, context, gateway, errors;

before(async () => (browser = await launch()));
after(() => browser.close());
beforeEach(async () => {
  gateway = await FakeGateway.start();
  const field = (type, more = {}) => ({ path: type, title: `A ${type}`, type, ...more });
  const fields = [field('text', { required: true, hint: 'A hint beside it' }), field('integer'), field('boolean', { default: true }), field('month'), field('file')];
  const offer = { name: 'r', title: 'Airports by state', description: 'Words about it', input: {}, fields };
  gateway.functions = [{ kind: 'reports', title: 'Reports', input: {}, offers: [offer, { ...offer, title: 'a_very_long_title_without_any_space_in_it_at_all_and_more' }] }];
  gateway.approvals = [{ task: RUN, step: 'approve', title: 'A run', question: 'a_very_long_question_without_any_space_in_it_at_all?', owner: 'carol', asked: new Date().toISOString() }];
  const steps = STATES.map((state, n) => ({ id: state, title: `Step ${state}`, kind: 'x', state, needs: n > 2 ? [STATES[n - 3]] : [], note: 'words_about_its_end_without_any_space', href: '/api/files/x', progress: 0.4 }));
  const created = new Date().toISOString();
  gateway.tasks = [
    { id: 'w', kind: 'workflows', title: 'A run', state: 'running', progress: 0.4, created, steps },
    { id: 'q', kind: 'reports', title: 'Lost', state: 'queued', progress: 0, created, error: { reason: 'lost', message: 'Its worker was lost; another will take it up.' } },
  ];
});
afterEach(async () => {
  await context.close();
  await gateway.stop();
  assert.deepEqual(errors, []);
});

/** The page with all that it can show. */
async function open(settings) {
  context = await browser.newContext({ reducedMotion: 'reduce', ...settings });
  const page = await context.newPage();
  errors = pageErrors(page);
  await page.goto(`${gateway.url}/?user=ada&env=dev`);
  await page.locator('#connection[data-state=live]').waitFor();
  await page.locator('summary', { hasText: 'Airports by state' }).click();
  await page.getByRole('button', { name: /of 8 steps/ }).click();
  gateway.send(approvalAsked({ task: RUN, step: 'approve' }));
  gateway.send(toast('A message', { toast: { level: 'warning', body: 'and its body' } }));
  await page.locator('bellwire-toasts .decide:enabled').first().waitFor();
  return page;
}

/** Every text that can be seen, over all shadow roots, with its contrast to what lies behind it. */
function contrasts() {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const luminance = (color) => {
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement ?? at.getRootNode().host) {
      const color = getComputedStyle(at).backgroundColor;
      if (color !== 'rgba(0, 0, 0, 0)') return color;
    }
    return 'white';
  };
  const all = (root) => [...root.querySelectorAll('*')].flatMap((each) => [each, ...(each.shadowRoot ? all(each.shadowRoot) : [])]);
  const isText = (each) => [...each.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
  const shown = all(document.body).filter((each) => each.checkVisibility() && (isText(each) || each.matches('input, select')));
  return shown.map((each) => {
    const [a, b] = [luminance(getComputedStyle(each).color), luminance(behind(each))];
    return [`${each.className || each.tagName}: ${each.textContent.slice(0, 30)}`, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
  });
}

for (const colorScheme of ['light', 'dark']) {
  test(`every text of the page has a contrast of 4.5:1 and more, in ${colorScheme}`, async () => {
    const page = await open({ colorScheme });
    const measured = await page.evaluate(contrasts);
    assert.ok(measured.length > 60, `${measured.length} texts`);
    assert.deepEqual(measured.filter(([, ratio]) => ratio < 4.5), []);
  });
}

for (const width of [320, 375, 768, 1280]) {
  test(`nothing is cut off in a window of ${width} pixels`, async () => {
    const page = await open({ viewport: { width, height: 700 } });
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width);
    const beyond = await page.evaluate(() => {
      const cards = [...document.querySelectorAll('.card')].filter((card) => card.checkVisibility());
      return cards.flatMap((card) => {
        const parts = [...card.querySelectorAll('bellwire-start, bellwire-approvals, bellwire-tasks')].flatMap((each) => [...each.shadowRoot.querySelectorAll('*')]);
        const { left, right } = card.getBoundingClientRect();
        return parts.filter((each) => each.checkVisibility() && !each.closest('.graph') && (each.getBoundingClientRect().right > right + 1 || each.getBoundingClientRect().left < left - 1)).map((each) => each.className);
      });
    });
    assert.deepEqual(beyond, []);
  });
}

test('every button and field of the parts can be reached by the keyboard, and is large enough for a finger', async () => {
  const page = await open({ viewport: { width: 375, height: 800 } });
  const small = await page.evaluate(() => {
    const parts = [...document.querySelectorAll('bellwire-start, bellwire-approvals, bellwire-tasks, bellwire-toasts')];
    const controls = parts.flatMap((each) => [...each.shadowRoot.querySelectorAll('button, a, input, select, summary')]).filter((each) => each.checkVisibility());
    return controls.filter((each) => each.tabIndex < 0 || (each.getBoundingClientRect().height < 24 && each.type !== 'checkbox')).map((each) => each.outerHTML);
  });
  assert.deepEqual(small, []);
});
