/** A bar on the terminal; nothing where stderr is none. */
import type { Stream } from "../output.js";

const width = 30;

export class Progress {
  readonly #stream: (Stream & { readonly columns?: number }) | undefined;
  readonly #started = performance.now();
  #shownAt = 0;
  #shown = false;

  constructor(stream: Stream & { readonly columns?: number }) {
    this.#stream = stream.isTTY === true && process.env["TERM"] !== "dumb" ? stream : undefined;
  }

  /** @param share of the work that is done, 0 to 1 */
  show(done: number, share: number): void {
    const now = performance.now();
    if (!this.#stream || now - this.#shownAt < 100) return;
    this.#shownAt = now;
    this.#shown = true;
    const filled = Math.round(Math.min(1, share) * width);
    const rate = done / ((now - this.#started) / 1000);
    const line = `[${"#".repeat(filled)}${".".repeat(width - filled)}] ${Math.floor(share * 100)} %  ${done.toLocaleString("en")} devices  ${rate.toFixed(0)}/s`;
    this.#stream.write(`\r\u001b[K${line.slice(0, (this.#stream.columns ?? 80) - 1)}`);
  }

  /** Takes the bar away, so that something can be written. */
  clear(): void {
    if (this.#shown) this.#stream?.write("\r\u001b[K");
    this.#shown = false;
  }
}
