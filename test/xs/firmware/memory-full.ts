/** Fixture: keeps everything. */
interface Reading {
  readonly value: number;
}

const readings: Reading[] = [];
for (let value = 0; value < 1e9; value++) readings.push({ value });
