/** The base of the elements that take a `connection`. */

/** @import { Connection } from '../module/connection.js' */

/** @template {object} Labels */
export class GatewayElement extends HTMLElement {
  /** @type {Connection | null} */
  #connection = null;
  #english;
  /** The texts in use. @protected @type {Labels} */
  labels;
  /** @protected @readonly */
  root = this.attachShadow({ mode: 'open' });

  /** @param {Labels} labels in English @param {CSSStyleSheet[]} styles */
  constructor(labels, ...styles) {
    super();
    this.#english = this.labels = labels;
    this.root.adoptedStyleSheets = styles;
  }

  connectedCallback() {
    this.#upgradeProperty('connection');
    this.#upgradeProperty('words');
  }

  /** The connection whose data is shown. @param {Connection | null} connection */
  set connection(connection) {
    this.#connection = connection;
    this.connectionChanged(connection);
  }

  get connection() {
    return this.#connection;
  }

  /** Texts in another language; those not given stay English. @param {Partial<Labels>} words */
  set words(words) {
    this.labels = { ...this.#english, ...words };
    this.labelsChanged();
  }

  /** @protected @param {Connection | null} connection */
  connectionChanged(connection) {}

  /** @protected */
  labelsChanged() {}

  /** Takes over a property that was set before the element was defined. @param {'connection' | 'words'} property */
  #upgradeProperty(property) {
    if (!Object.hasOwn(this, property)) return;
    const value = Object.getOwnPropertyDescriptor(this, property)?.value;
    Reflect.deleteProperty(this, property);
    this[property] = value;
  }
}
