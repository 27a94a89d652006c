/** DNS and TCP. */
import { lookup } from "node:dns/promises";
import { once } from "node:events";
import * as net from "node:net";
import { meaningOf, type Report } from "./report.js";
import type { Target } from "./target.js";

/** @returns whether there is a TCP connection to be had */
export async function checkNetwork({ host, port, timeout }: Target, report: Report): Promise<boolean> {
  let addresses: string[];
  if (net.isIP(host) !== 0) {
    addresses = [host];
    report.pass("dns", `${host} is an address: no name has to be resolved.`);
  } else {
    try {
      addresses = (await lookup(host, { all: true })).map(({ address }) => address);
      report.pass("dns", `${host} is ${addresses.join(", ")}.`, { addresses });
    } catch (error) {
      report.fail("dns", `The name ${host} cannot be resolved: ${meaningOf(error)}.`);
      return false;
    }
  }
  const started = performance.now();
  const socket = net.connect({ host, port, autoSelectFamily: true });
  const timer = setTimeout(() => socket.destroy(Object.assign(new Error("no answer"), { code: "ETIMEDOUT" })), timeout);
  try {
    await once(socket, "connect");
    const milliseconds = Math.round(performance.now() - started);
    report.pass("tcp", `Port ${port} of ${socket.remoteAddress ?? host} accepts connections (${milliseconds} ms).`, {
      milliseconds,
    });
    return true;
  } catch (error) {
    report.fail("tcp", `Port ${port} of ${host} cannot be reached: ${meaningOf(error)}.`);
    return false;
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}
