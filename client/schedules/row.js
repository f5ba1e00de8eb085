/** One schedule with its two buttons. All it shows is text. */

import { errorMessage, make, makeButton, setBusy, setText } from '../element/dom.js';
import { timeAgo } from '../element/time.js';

/** @import { Schedule, ScheduleAction } from '../module/api.js' */
/** @import { SCHEDULE_LABELS } from './labels.js' */

const time = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

/** A row of the list; it stays while others come and go. */
export class ScheduleRow {
  element = make('li', 'schedule');
  #title = make('h3', 'title');
  #when = make('span', 'when');
  #next = make('span', 'next');
  #recipients = make('span', 'recipients');
  #last = make('span', 'last');
  #note = make('span', 'left-out');
  #problem = make('p', 'problem');
  #pause;
  #run;
  #labels;
  /** @type {Schedule} */
  #schedule;

  /**
   * @param {Schedule} schedule @param {typeof SCHEDULE_LABELS} labels
   * @param {(schedule: Schedule, action: ScheduleAction) => Promise<void>} act
   */
  constructor(schedule, labels, act) {
    this.#schedule = schedule;
    this.#labels = labels;
    this.#pause = makeButton('pause', '', () => this.#act(act, this.#schedule.paused ? 'resume' : 'pause'));
    this.#run = makeButton('run', labels.run, () => this.#act(act, 'run'));
    this.element.setAttribute('part', 'schedule');
    this.element.tabIndex = -1;
    this.#problem.role = 'alert';
    for (const each of [this.#title, this.#when, this.#problem, this.#note, this.#recipients]) each.dir = 'auto';
    const [main, about, buttons] = [make('div', 'main'), make('p', 'about'), make('div', 'buttons')];
    about.append(this.#when, this.#next, this.#last, this.#recipients, this.#note);
    main.append(this.#title, about, this.#problem);
    buttons.append(this.#run, this.#pause);
    this.element.append(main, buttons);
    this.update(schedule);
  }

  /** @param {Schedule} schedule */
  update(schedule) {
    const [labels, { title, cron, every, time_zone, next, last, left_out, paused, problem, recipients = [] }] = [this.#labels, schedule];
    this.#schedule = schedule;
    setText(this.#title, title);
    setText(this.#when, cron ? `${cron} ${time_zone}` : `${every} s`);
    setText(this.#next, paused ? labels.paused(paused.by) : next ? labels.next(time.format(new Date(next))) : '');
    setText(this.#last, last ? labels.last(timeAgo(last.started)) : '');
    setText(this.#recipients, recipients.length > 0 ? labels.goesTo(recipients) : '');
    setText(this.#note, left_out ? labels.leftOut(left_out.reason) : '');
    setText(this.#problem, problem ?? '');
    const verb = paused ? labels.resume : labels.pause;
    setText(this.#pause, verb);
    this.#pause.ariaLabel = labels.act(verb, title);
    this.#run.ariaLabel = labels.act(labels.run, title);
  }

  /** @param {(schedule: Schedule, action: ScheduleAction) => Promise<void>} act @param {ScheduleAction} action */
  async #act(act, action) {
    if (this.#run.ariaBusy === 'true') return;
    setBusy(true, this.#run, this.#pause);
    try {
      await act(this.#schedule, action);
    } catch (error) {
      setText(this.#problem, errorMessage(error));
    }
    setBusy(false, this.#run, this.#pause);
  }
}
