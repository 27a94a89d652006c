/** Where a broker is: mqtts://host:port. */
import { usageFailure } from "../failure.js";

export interface BrokerAddress {
  readonly host: string;
  readonly port: number;
}

/** @throws CommandFailure unless it is mqtts://host or mqtts://host:port, with nothing else */
export function parseBrokerURL(text: string): BrokerAddress {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw usageFailure(`${text} is no URL: mqtts://host:port is wanted.`);
  }
  // What is wrong may be a password: it is not repeated.
  if (url.username !== "" || url.password !== "")
    throw usageFailure("A broker's URL must not hold a user name or password.");
  if (
    url.protocol !== "mqtts:" ||
    url.hostname === "" ||
    !/^\/?$/.test(url.pathname) ||
    url.search !== "" ||
    url.hash !== ""
  )
    throw usageFailure("A broker is mqtts://host or mqtts://host:port, with nothing after it: only TLS is spoken.");
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  return { host, port: url.port === "" ? 8883 : Number(url.port) };
}
