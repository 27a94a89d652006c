/** How much of a long series of cases a test tries. */

/**
 * The stride through a series of cases: 1 on Node, where all are tried; `onXS` on the XS engine, which interprets and takes twenty times as
 * long. Choose it without a divisor in common with what repeats in the series.
 */
export function stride(onXS: number): number {
  return amount(1, onXS);
}

/** A number of cases or rounds: one for Node, and one for the XS engine. */
export function amount(onNode: number, onXS: number): number {
  // XS has no console.
  return "console" in globalThis ? onNode : onXS;
}
