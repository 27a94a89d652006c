/** Columns of the table of devices. */
export const columns = ["id", "mac", "username", "password", "allow_short_password", "csr", "payload_secret"] as const;
export type Column = (typeof columns)[number];
