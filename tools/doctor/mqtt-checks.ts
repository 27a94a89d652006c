/** MQTT: who is let in, what he may do, and how much at a time. */
import type { IConnackPacket } from "mqtt-packet";
import { MQTTProbe } from "../broker/probe.js";
import { meaningOf, type Report } from "./report.js";
import { openTLS, type Target } from "./target.js";

/** Return codes of MQTT 3.1.1 (section 3.2.2.3) and reason codes of 5.0 (section 3.2.2.2), as the end of a sentence. */
const refusals: ReadonlyMap<number, string> = new Map([
  [1, "it does not speak this version of MQTT"],
  [2, "it does not accept the client identifier"],
  [3, "it is not available"],
  [4, "user name or password are wrong"],
  [
    5,
    "this client is not authorised: the certificate, user name, password or client identifier is not one that it admits",
  ],
  [0x80, "it gives no reason"],
  [0x84, "it does not speak this version of MQTT"],
  [0x85, "it does not accept the client identifier"],
  [0x86, "user name or password are wrong"],
  [
    0x87,
    "this client is not authorised: the certificate, user name, password or client identifier is not one that it admits",
  ],
  [0x88, "it is not available"],
  [0x89, "it is busy"],
  [0x8a, "this client is banned"],
  [0x8c, "it wants another way of authentication"],
  [0x97, "a quota is exceeded"],
  [0x9c, "another server is to be used"],
  [0x9d, "the server has moved"],
  [0x9f, "there are too many connections at a time"],
]);

/** @returns the connection, when the broker admits the device */
export async function checkConnect(target: Target, report: Report): Promise<MQTTProbe | undefined> {
  const { clientIdentifier, userName, password, timeout } = target;
  const versions: (4 | 5)[] = [];
  let probe: MQTTProbe | undefined;
  let refusal = "";
  for (const version of [5, 4] as const) {
    try {
      const socket = await openTLS(target);
      const attempt = await MQTTProbe.connect(socket, { clientIdentifier, userName, password, version, timeout });
      if (attempt.code === 0) {
        versions.push(version);
        if (probe) await attempt.close();
        else probe = attempt;
        // A broker admits one connection of a name: the first is made again below, if it was taken over.
        continue;
      }
      if (!(version === 5 && (attempt.code === 1 || attempt.code === 0x84)))
        refusal = `the broker refuses the device with code ${attempt.code}: ${refusals.get(attempt.code) ?? "a code that MQTT does not know"}`;
      await attempt.close();
    } catch (error) {
      if (version === 4 || refusal === "") refusal = meaningOf(error);
    }
  }
  if (probe === undefined) {
    report.fail("connect", `There is no MQTT connection: ${refusal}.`);
    return undefined;
  }
  const list = versions.map((version) => (version === 5 ? "5.0" : "3.1.1")).reverse();
  report.pass("connect", `The broker admits the device as ${clientIdentifier}; it speaks MQTT ${list.join(" and ")}.`, {
    versions: list,
  });
  if (versions.length === 1) return probe;
  // The second attempt took the name over.
  probe.destroy();
  return MQTTProbe.connect(await openTLS(target), { clientIdentifier, userName, password, version: 5, timeout });
}

/** Whether somebody without credentials is let in, too. */
export async function checkStrangers(target: Target, report: Report): Promise<void> {
  const name = "strangers";
  if (target.certificate === undefined && target.userName === undefined) {
    report.warn(name, "The device has neither certificate nor password: a broker that admits it admits everybody.");
    return;
  }
  try {
    const socket = await openTLS(target, { anonymous: true });
    const probe = await MQTTProbe.connect(socket, {
      clientIdentifier: `${target.clientIdentifier}-x`,
      timeout: target.timeout,
    });
    const { code } = probe;
    await probe.close();
    if (code === 0)
      report.warn(
        name,
        "The broker also admits a client without any credentials: what others may do there depends on its permissions alone.",
      );
    else report.pass(name, `The broker refuses a client without credentials, with code ${code}.`);
  } catch (error) {
    report.pass(name, `The broker keeps out a client without credentials: ${meaningOf(error)}.`);
  }
}

/** What the CONNACK of MQTT 5.0 says of limits. */
export function checkLimits({ properties }: IConnackPacket, report: Report): void {
  const name = "limits";
  const limits = {
    maximumPacketSize: properties?.maximumPacketSize,
    receiveMaximum: properties?.receiveMaximum ?? 65_535,
    maximumQoS: properties?.maximumQoS ?? 2,
    retainAvailable: properties?.retainAvailable ?? true,
    sharedSubscriptionAvailable: properties?.sharedSubscriptionAvailable ?? true,
    serverKeepAlive: properties?.serverKeepAlive,
    topicAliasMaximum: properties?.topicAliasMaximum ?? 0,
    sessionExpiryInterval: properties?.sessionExpiryInterval,
  };
  const parts = [
    limits.maximumPacketSize === undefined
      ? "it states no largest packet"
      : `packets up to ${limits.maximumPacketSize.toLocaleString("en")} bytes`,
    `QoS up to ${limits.maximumQoS}`,
    `${limits.receiveMaximum.toLocaleString("en")} messages at a time`,
    ...(limits.serverKeepAlive === undefined ? [] : [`a keep-alive of ${limits.serverKeepAlive} s`]),
    ...(limits.retainAvailable ? [] : ["no retained messages"]),
  ];
  report.pass(name, `The broker's limits: ${parts.join(", ")}.`, limits);
}

/** Whether the device may subscribe and publish as it wants to. */
export async function checkTopics(
  probe: MQTTProbe,
  version5: boolean,
  { subscribe, publish }: Target,
  report: Report,
): Promise<void> {
  if (subscribe !== undefined) {
    try {
      const [code = 0x80] = await probe.subscribe([subscribe], 1);
      if (code < 0x80)
        report.pass("subscribe", `The broker grants a subscription to ${subscribe} with QoS ${code}.`, { code });
      else
        report.fail(
          "subscribe",
          `The broker refuses a subscription to ${subscribe} (code ${code}): its permissions do not cover it.`,
          { code },
        );
    } catch (error) {
      report.fail(
        "subscribe",
        `The broker answers a subscription to ${subscribe} by ending the connection: ${meaningOf(error)}. AWS IoT Core refuses so.`,
      );
      return;
    }
  }
  if (publish === undefined) return;
  try {
    const marker = `sealwire-doctor-${Date.now()}`;
    const code = await probe.publish(publish, marker, 1);
    if (code >= 0x80)
      report.fail(
        "publish",
        `The broker refuses a message to ${publish} (code ${code}): its permissions do not cover it.`,
        { code },
      );
    else if (version5) report.pass("publish", `The broker takes a message to ${publish}.`, { code });
    else
      report.warn(
        "publish",
        `The broker acknowledges a message to ${publish}; by MQTT 3.1.1 it does so even when it drops it.`,
        { code },
      );
  } catch (error) {
    report.fail(
      "publish",
      `The broker answers a message to ${publish} by ending the connection: ${meaningOf(error)}. AWS IoT Core refuses so.`,
    );
  }
}
