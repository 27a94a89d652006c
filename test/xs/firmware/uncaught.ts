/** Fixture: an exception that nobody catches. */
interface Reading {
  readonly value: number;
}

function fail(reading: Reading): never {
  throw new TypeError(`bad reading ${reading.value}`);
}

fail({ value: 1 });
