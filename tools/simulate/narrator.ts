/** Tells the story while it happens. */
import type { Output } from "../output.js";
import type { Connect } from "./connects.js";

export class Narrator {
  readonly #output: Output | undefined;
  #chapter = 0;

  /** @param output nothing is told when left out */
  constructor(output?: Output) {
    this.#output = output;
  }

  /** A fact, before the story begins. */
  fact(subject: string, text: string): void {
    this.#output?.line(`${this.#output.styled("dim", subject.padEnd(9))} ${text}`);
  }

  /** The next thing that happens to the device. */
  chapter(text: string): void {
    this.#output?.line();
    this.#output?.line(this.#output.styled("bold", `${++this.#chapter}. ${text}`));
  }

  line(text = ""): void {
    this.#output?.line(text === "" ? "" : `   ${text}`);
  }

  connect(connect: Connect, how = ""): void {
    const { protocol, resumed, bytesOut, bytesIn, milliseconds, brokerResumed } = connect;
    const kind = resumed ? `Session resumed${how}` : "Full mutual-TLS handshake";
    this.line(
      `${kind}, ${protocol}: ${bytesOut.toLocaleString("en")} bytes out, ${bytesIn.toLocaleString("en")} in, ${milliseconds.toFixed(0)} ms.`,
    );
    if (brokerResumed !== undefined)
      this.line(
        `The broker's side ${brokerResumed === resumed ? "confirms it" : "says otherwise"}; the network counted ${
          connect.tapped?.bytesOut === bytesOut && connect.tapped.bytesIn === bytesIn ? "the same bytes" : "other bytes"
        }.`,
      );
  }
}
