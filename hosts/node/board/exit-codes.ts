/** How a firmware process tells why it ended. */
export const exitCodes = {
  /** An error escaped the firmware: a chip would restart. */
  crash: 70,
  sleep: 80,
  restart: 81,
} as const;
