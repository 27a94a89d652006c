/** What went wrong. Of many, the first ones say enough. */

const kept = 20;

export class Violations {
  readonly #list: string[] = [];
  #count = 0;

  add(sentence: string): void {
    this.#count++;
    if (this.#list.length < kept) this.#list.push(sentence);
  }

  get count(): number {
    return this.#count;
  }

  get list(): readonly string[] {
    return this.#list;
  }
}
