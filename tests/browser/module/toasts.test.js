import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';

import { inState, launch, listen, pageErrors, until } from '../browser.js';
import { event, FakeGateway, taskEvent, toast, token } from '../fake-gateway.js';

let browser, context, page, gateway, errors;

before(async () => (browser = await launch()));
after(() => browser.close());
beforeEach(async () => (gateway = await FakeGateway.start()));
afterEach(async () => {
  await context.close();
  await gateway.stop();
  assert.deepEqual(errors, []);
});

/** A page with the component and nothing else; `settings` are the browser's. */
async function open(settings = {}, before = async () => {}) {
  context = await browser.newContext(settings);
  page = await context.newPage();
  errors = pageErrors(page);
  await before();
  await page.goto(`${gateway.url}/blank`);
  await page.evaluate(async () => {
    await import('/client/toasts.js');
    document.body.innerHTML = '<input id="field" aria-label="a field"><bellwire-toasts></bellwire-toasts>';
  });
}

const show = (toast, about) => page.evaluate(([toast, about]) => document.querySelector('bellwire-toasts').show(toast, about), [{ level: 'info', ...toast }, about]);
const cards = () => page.locator('bellwire-toasts .toast:not([hidden], [inert])');
const titles = async () => (await page.locator('bellwire-toasts .toast:not([hidden], [inert]) .title').allInnerTexts()).map((text) => text.replace(/^\w+:\s+/, ''));
const focusedTitle = () => page.evaluate(() => document.querySelector('bellwire-toasts').shadowRoot.activeElement?.querySelector('.title')?.lastChild.textContent);

/** Keeps every announcement that a screen reader would have made. */
const record = () => page.evaluate(() => {
  window.announced = [];
  const regions = document.querySelector('bellwire-toasts').shadowRoot.querySelectorAll('[aria-live]');
  for (const region of regions) {
    new MutationObserver((changes) => {
      for (const change of changes) for (const node of change.addedNodes) announced.push([region.ariaLive, node.textContent]);
    }).observe(region, { childList: true });
  }
});
const announced = () => page.evaluate(() => window.announced);

describe('said', () => {
  beforeEach(() => open());

  test('region and live regions are there, empty and named, before the first toast', async () => {
    assert.match(await page.locator('body').ariaSnapshot(), /region "Notifications"/);
    const live = page.locator('bellwire-toasts [aria-live]');
    assert.deepEqual(await live.evaluateAll((all) => all.map((each) => [each.ariaLive, each.role, each.textContent])), [['polite', 'status', ''], ['assertive', 'alert', '']]);
  });

  test('each toast is announced once, with its level in words, and not again when the stack moves', async () => {
    await record();
    await show({ level: 'success', title: 'The report is ready', body: '12 rows' });
    await until(announced, (said) => said.length === 1);
    for (let n = 0; n < 3; n++) await show({ level: ['info', 'warning', 'error'][n], title: `other ${n}` });
    await until(announced, (said) => said.length === 4);
    await page.locator('bellwire-toasts .close').first().click();
    assert.deepEqual((await announced()).slice(0, 2), [['polite', 'Success: The report is ready. 12 rows'], ['polite', 'Information: other 0']]);
    assert.equal((await announced()).length, 4);
  });

  test('only an error with something to do about it interrupts', async () => {
    await record();
    await show({ level: 'error', title: 'It failed' });
    await show({ level: 'error', title: 'Sign in again', action: { label: 'Sign in', href: '/login' } });
    assert.deepEqual(await until(announced, (said) => said.length === 2), [
      ['polite', 'Error: It failed'], ['assertive', 'Error: Sign in again. Sign in'],
    ]);
  });

  test('markup is shown as the text that it is', async () => {
    const evil = '<img src=x onerror="window.pwned = 1"><b>bold</b>';
    await show({ title: evil, body: evil, action: { label: evil, href: '/ok' } });
    assert.deepEqual(await titles(), [evil]);
    assert.equal(await page.locator('bellwire-toasts .action').innerText(), evil);
    assert.equal(await page.locator('bellwire-toasts :is(img, b)').count(), 0);
    assert.equal(await page.evaluate(() => window.pwned), undefined);
  });

  test('a link that is no http(s) address or path of the own origin is not there', async () => {
    for (const href of ['javascript:alert(1)', ' javascript:alert(1)', 'java\tscript:alert(1)', '//evil.example', '/\\evil.example', 'data:text/html,x', 'relative', '', 7]) {
      await show({ title: 'x', action: { label: 'y', href } }, { name: 'same' });
      assert.equal(await page.locator('bellwire-toasts .action').count(), 0, String(href));
    }
    for (const href of ['/own', 'https://example.org/x']) {
      await show({ title: 'x', action: { label: 'y', href } }, { name: 'same' });
      assert.equal(await page.locator('bellwire-toasts a.action').getAttribute('href'), href);
    }
  });

  test('what is no toast is not shown', async () => {
    for (const title of [undefined, '', '  ', 7]) await show({ title });
    await show({ level: 'loud', title: 'an unknown level' });
    assert.deepEqual(await titles(), ['an unknown level']);
    assert.equal(await cards().first().getAttribute('data-level'), 'info');
  });
});

describe('by keyboard', () => {
  beforeEach(async () => {
    await open();
    await page.focus('#field');
    for (const title of ['one', 'two', 'three']) await show({ level: 'error', title });
  });

  test('a toast never takes the focus; F8 reaches the newest and Escape dismisses it', async () => {
    assert.equal(await page.evaluate(() => document.activeElement.id), 'field');
    await page.keyboard.press('F8');
    assert.equal(await focusedTitle(), 'three');
    await page.keyboard.press('Escape');
    await until(titles, (all) => all.length === 2);
  });

  test('after a dismissal the focus goes to the next toast, at the end back where it was', async () => {
    await page.keyboard.press('F8');
    await page.keyboard.press('Shift+Tab'); // the close button of "two" lies before "three"
    await page.keyboard.press('Enter');
    assert.equal(await focusedTitle(), 'three');
    await page.keyboard.press('Escape');
    assert.equal(await focusedTitle(), 'one');
    await page.keyboard.press('Escape');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'field');
    await until(titles, (all) => all.length === 0);
  });

  test('the key is the page’s to choose', async () => {
    await page.evaluate(() => document.querySelector('bellwire-toasts').setAttribute('hotkey', 'F6'));
    await page.keyboard.press('F8');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'field');
    await page.keyboard.press('F6');
    assert.equal(await focusedTitle(), 'three');
  });

  test('a click on the close button leaves the focus where somebody writes', async () => {
    await page.locator('bellwire-toasts .close').first().click();
    await until(titles, (all) => all.length === 2);
    assert.equal(await page.evaluate(() => document.activeElement.id), 'field');
  });
});

describe('in time', () => {
  beforeEach(async () => {
    await open({ reducedMotion: 'reduce' }, () => page.clock.install({ time: '2026-11-22T08:00:00Z' }));
    await page.clock.pauseAt('2026-11-22T09:00:00Z'); // from here on time passes only where a test says so
  });
  const seconds = (count) => page.clock.runFor(count * 1000);

  test('success and information stay six seconds, longer with more words; errors and toasts with an action stay', async () => {
    await show({ level: 'success', title: 'short' });
    await show({ level: 'info', title: 'long', body: 'word '.repeat(40) });
    await show({ level: 'error', title: 'failed' });
    await show({ level: 'success', title: 'with action', action: { label: 'Open', href: '/x' } });
    await seconds(5.8);
    assert.equal(await page.locator('bellwire-toasts .toast').count(), 4);
    await seconds(0.5);
    assert.equal(await page.locator('bellwire-toasts .toast').count(), 3);
    await seconds(7);
    assert.equal(await page.locator('bellwire-toasts .toast').count(), 3);
    await seconds(600);
    assert.deepEqual(await titles(), ['failed', 'with action']);
  });

  for (const [name, begin, end] of [
    ['pointed at', () => cards().first().hover(), () => page.mouse.move(5, 5)],
    ['focused', () => page.keyboard.press('F8'), () => page.focus('#field')],
    ['in a hidden document', () => seen(true), () => seen(false)],
    ['in a window that is not in front', () => front(false), () => front(true)],
    ['behind a modal dialog', () => page.evaluate(() => { document.body.append(Object.assign(document.createElement('dialog'), { id: 'd' })); d.showModal(); }), () => page.evaluate(() => d.close())],
  ]) {
    test(`time stands still while a toast is ${name}, and goes on with what was left`, async () => {
      await show({ title: 'short' });
      await seconds(4);
      await begin();
      await seconds(60);
      assert.equal(await cards().count(), 1);
      await end();
      await seconds(1);
      assert.equal(await cards().count(), 1);
      await seconds(1.5);
      await until(() => cards().count(), (count) => count === 0);
    });
  }

  const seen = (hidden) => page.evaluate((hidden) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);
  const front = (is) => page.evaluate((is) => {
    document.hasFocus = () => is;
    dispatchEvent(new Event(is ? 'focus' : 'blur'));
  }, is);

  test('an event’s own end takes its toast away', async () => {
    const end = await page.evaluate(() => new Date(Date.now() + 30_000).toISOString());
    await show({ level: 'error', title: 'until then' }, { event: { ...event(), expirytime: end } });
    await seconds(29);
    assert.equal(await cards().count(), 1);
    await seconds(2);
    await until(() => cards().count(), (count) => count === 0);
  });
});

describe('on the screen', () => {
  const distinct = async (count) => {
    for (let n = 0; n < count; n++) await show({ level: 'error', title: `toast ${n}` }, { event: { ...event(), type: `t${n}`, data: { task: { id: `k${n}`, kind: `kind${n}`, state: 'failed' } } } });
  };

  test('three are seen, the rest is counted and opened by pointing, and nothing moves under the pointer', async () => {
    await open();
    await distinct(5);
    await until(titles, (all) => all.length === 3);
    assert.equal(await page.locator('bellwire-toasts .more').innerText(), '2 earlier');
    await page.waitForTimeout(300); // they have come to rest
    const before = await cards().last().boundingBox();
    await cards().last().hover();
    await until(titles, (all) => all.length === 5);
    assert.deepEqual(await cards().last().boundingBox(), before);
    await show({ level: 'error', title: 'while reading' });
    assert.deepEqual(await cards().last().boundingBox(), before);
    assert.equal(await page.locator('bellwire-toasts .more').innerText(), '1 new');
    await page.mouse.move(5, 5);
    await until(titles, (all) => all.join() === 'toast 3,toast 4,while reading');
  });

  test('progress and end of a task are one toast, changed where it stands', async () => {
    await open();
    await record();
    const task = (state) => ({ event: { ...event(), type: `bellwire.task.${state}`, data: { task: { id: 'a', kind: 'imports', state } } } });
    await show({ title: 'Importing' }, task('progressed'));
    await show({ level: 'error', title: 'another' });
    await until(announced, (said) => said.length === 2);
    const place = await cards().first().boundingBox();
    await show({ level: 'success', title: 'Imported' }, task('succeeded'));
    assert.deepEqual(await titles(), ['Imported', 'another']);
    assert.deepEqual(await cards().first().boundingBox(), place);
    await until(announced, (said) => said.length === 3);
    await show({ level: 'success', title: 'Imported', body: '7 rows' }, task('succeeded'));
    await page.waitForTimeout(500);
    assert.equal((await announced()).length, 3);
  });

  test('a burst is one toast and one announcement, in tasks and in messages', async () => {
    await open();
    await record();
    for (let n = 0; n < 12; n++) await show({ level: 'success', title: `Report ${n}` }, { event: { ...event(), type: 'bellwire.task.succeeded', data: { task: { id: `r${n}`, kind: 'reports', state: 'succeeded' } } } });
    await until(titles, (all) => all.length === 1);
    assert.deepEqual(await titles(), ['12 reports are ready']);
    assert.match(await cards().locator('.body').innerText(), /^Report 11, Report 10, Report 9 and 9 more$/);
    for (let n = 0; n < 5; n++) await show({ title: `Hello ${n}` }, { event: event() });
    await until(titles, (all) => all.length === 2);
    assert.deepEqual(await titles(), ['12 reports are ready', '5 messages']);
    await until(announced, (said) => said.some(([, text]) => text.startsWith('Success: 12 reports')));
    assert.ok((await announced()).length <= 8, JSON.stringify(await announced()));
  });

  test('never so many that the page suffers', async () => {
    await open({ reducedMotion: 'reduce' });
    await distinct(80);
    assert.ok((await page.locator('bellwire-toasts .toast').count()) <= 30);
    await cards().last().hover();
    const box = await page.locator('bellwire-toasts .stack').boundingBox();
    assert.ok(box.y >= 0 && box.y + box.height <= page.viewportSize().height);
  });

  test('it lies over a dialog that opens later, and speaks into it', async () => {
    await open({ reducedMotion: 'reduce' });
    await show({ level: 'error', title: 'seen' });
    await page.waitForTimeout(200);
    const { x, y, width, height } = await cards().first().boundingBox();
    const clip = { x: x + 20, y: y + 8, width: width - 40, height: height - 16 };
    const before = await page.screenshot({ clip });
    await page.evaluate(() => {
      const dialog = document.createElement('dialog');
      Object.assign(dialog.style, { position: 'fixed', inset: '0', inlineSize: '100vw', blockSize: '100vh', maxInlineSize: 'none', maxBlockSize: 'none', background: 'red', padding: '0', border: '0' });
      document.body.append(dialog);
      dialog.showModal();
      document.activeElement.blur();
    });
    await page.waitForTimeout(200);
    assert.deepEqual((await page.screenshot({ clip })).compare(before), 0);
    await show({ title: 'said into the dialog' });
    await until(() => page.locator('dialog [aria-live]').allInnerTexts(), (texts) => texts.includes('Information: said into the dialog'));
  });

  test('it gives way to the field that somebody writes in', async () => {
    await open({ viewport: { width: 400, height: 600 }, reducedMotion: 'reduce' });
    await page.evaluate(() => Object.assign(document.querySelector('#field').style, { position: 'fixed', bottom: '30px', left: '40px', width: '300px' }));
    await page.focus('#field');
    await show({ level: 'error', title: 'in the way?' });
    const [field, card] = [await page.locator('#field').boundingBox(), await cards().first().boundingBox()];
    assert.ok(card.y + card.height <= field.y || card.y >= field.y + field.height, JSON.stringify({ field, card }));
  });

  test('swept aside by finger it goes, pushed a little it stays', async () => {
    await open({ hasTouch: true, isMobile: true, viewport: { width: 400, height: 700 }, reducedMotion: 'reduce' });
    await show({ level: 'error', title: 'swipe' });
    const box = await cards().first().boundingBox();
    const touch = await context.newCDPSession(page);
    const swipe = async (by, steps) => {
      const at = (x) => [{ x: box.x + 100 + x, y: box.y + box.height / 2 }];
      await touch.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: at(0) });
      for (let n = 1; n <= steps; n++) {
        await touch.send('Input.dispatchTouchEvent', { type: 'touchMove', touchPoints: at((by * n) / steps) });
        await page.waitForTimeout(30);
      }
      await touch.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
    };
    await swipe(30, 10);
    await swipe(-150, 8);
    assert.equal(await cards().count(), 1);
    await swipe(120, 8);
    await until(() => cards().count(), (count) => count === 0);
  });

  test('the close button is large enough and named after its toast', async () => {
    await open();
    await show({ level: 'error', title: 'It failed' });
    const button = page.getByRole('button', { name: 'Dismiss: It failed' });
    const { width, height } = await button.boundingBox();
    assert.ok(width >= 24 && height >= 24);
  });

  test('read from right to left it stands on the left', async () => {
    await open();
    await page.evaluate(() => (document.documentElement.dir = 'rtl'));
    await show({ level: 'error', title: 'مرحبا' });
    await page.waitForTimeout(300);
    const { x, width } = await cards().first().boundingBox();
    assert.ok(x + width < 450, `${x} + ${width}`);
  });

  test('with reduced motion nothing moves', async () => {
    await open({ reducedMotion: 'reduce' });
    await show({ level: 'error', title: 'still' });
    assert.equal(await page.evaluate(() => document.querySelector('bellwire-toasts').shadowRoot.getAnimations().length), 0);
  });

  test('at 400 % everything is still within the window', async () => {
    await open({ viewport: { width: 320, height: 256 }, reducedMotion: 'reduce' });
    await show({ level: 'error', title: 'A long title that takes several lines', body: 'and words '.repeat(60), action: { label: 'Do something about it', href: '/x' } });
    const { x, y, width, height } = await cards().first().boundingBox();
    assert.ok(x >= 0 && x + width <= 320 && y >= 0 && y + height <= 256, JSON.stringify({ x, y, width, height }));
  });

  for (const colorScheme of ['light', 'dark']) {
    test(`every text has a contrast of 4.5:1 and more, in ${colorScheme}`, async () => {
      await open({ colorScheme, reducedMotion: 'reduce' });
      await page.evaluate(() => (document.documentElement.style.colorScheme = 'light dark'));
      for (const level of ['info', 'success', 'warning', 'error']) {
        await show({ level, title: 'Title', body: 'Body', action: { label: 'Action', href: '/x' } }, { name: 'one' });
        const worst = await page.evaluate(contrasts);
        for (const [what, ratio] of worst) assert.ok(ratio >= 4.5, `${level} ${what}: ${ratio}`);
      }
    });
  }
});

/** The contrast of each text of the toast with what lies behind it. */
function contrasts() {
  const root = document.querySelector('bellwire-toasts').shadowRoot;
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const luminance = (color) => {
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (color !== 'rgba(0, 0, 0, 0)') return color;
    }
    return 'white';
  };
  return ['.title', '.body', '.action', '.close', '.toast > .icon'].map((what) => {
    const element = root.querySelector(what);
    const [a, b] = [luminance(getComputedStyle(element).color), luminance(behind(element))];
    return [what, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
  });
}

test('a connection’s toasts are shown, and its files are fetched with the token', async () => {
  await open();
  await listen(page, { token: token() });
  await inState(page, 'live');
  await page.evaluate(() => (document.querySelector('bellwire-toasts').connection = connection));
  gateway.send(taskEvent({ id: 'a', kind: 'reports', title: 'Sales', state: 'succeeded' }, { level: 'success', title: 'Sales is ready', action: { label: 'Download', href: '/api/files/01F/sales.csv' } }));
  await until(titles, (all) => all.length === 1);
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download', exact: true }).click()]);
  assert.equal(download.suggestedFilename(), 'sales.csv');
  assert.ok(gateway.requests.includes('GET /api/files/01F/sales.csv'));
  gateway.answer = (_, response) => response.writeHead(404).end('{"detail":"the file is gone"}');
  await page.getByRole('button', { name: 'Download', exact: true }).click();
  assert.equal(await page.locator('bellwire-toasts .failed').innerText(), 'the file is gone');
});
