/** Fixture: a rejection that nobody handles. */
interface Reading {
  readonly value: number;
}

async function fail(reading: Reading): Promise<void> {
  await Promise.resolve();
  throw new Error(`bad reading ${reading.value}`);
}

void fail({ value: 2 });
