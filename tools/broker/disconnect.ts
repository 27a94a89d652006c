/** `sealwire broker disconnect`: an order to the dynamic security plugin of a running Mosquitto. */
import * as fs from "node:fs";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import * as net from "node:net";
import * as tls from "node:tls";
import { SealwireError } from "../../src/errors.js";
import { CommandFailure, exitCodes, reasonOf } from "../failure.js";
import { readSecret } from "../secrets.js";
import { parseBrokerURL } from "./broker-url.js";
import { MQTTProbe } from "./probe.js";

export interface DisconnectArguments {
  readonly broker: string;
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
  readonly admin?: string;
  readonly passwordFile?: string;
  readonly disable?: boolean;
  readonly json?: boolean;
  /** Milliseconds that each answer may take; 10,000 when left out. */
  readonly timeout?: number;
}

const orders = "$CONTROL/dynamic-security/v1";
const answers = `${orders}/response`;

/**
 * @param password that of the administrator; read from its file when left out
 * @throws CommandFailure when the broker cannot be reached, or refuses
 */
export async function disconnectClient(
  user: string,
  given: DisconnectArguments,
  password = given.passwordFile === undefined ? undefined : readSecret(given.passwordFile, "password"),
): Promise<void> {
  const { host, port } = parseBrokerURL(given.broker);
  const { timeout = 10_000 } = given;
  const read = (file: string): Buffer => {
    try {
      return fs.readFileSync(file);
    } catch (error) {
      throw new CommandFailure(exitCodes.environment, "STORAGE_FAILED", `Cannot read ${file}: ${reasonOf(error)}.`, {
        cause: error,
      });
    }
  };
  const options: tls.ConnectionOptions = {
    host,
    port,
    ...(net.isIP(host) === 0 && { servername: host }),
    ca: read(given.ca),
    ...(given.cert !== undefined && { cert: read(given.cert) }),
    ...(given.key !== undefined && { key: read(given.key) }),
  };
  let probe: MQTTProbe | undefined;
  try {
    const socket = tls.connect(options);
    const timer = setTimeout(
      () => socket.destroy(new SealwireError("TIMEOUT", "there was no answer in time")),
      timeout,
    );
    try {
      await once(socket, "secureConnect");
    } finally {
      clearTimeout(timer);
    }
    const clientIdentifier = `sealwire-${randomBytes(4).toString("hex")}`;
    probe = await MQTTProbe.connect(socket, { clientIdentifier, userName: given.admin, password, timeout });
    if (probe.code !== 0)
      throw new CommandFailure(
        exitCodes.failed,
        "MQTT_NOT_AUTHORIZED",
        "The broker does not let this administrator in.",
        { reasonCode: probe.code },
      );
    const [granted] = await probe.subscribe([answers], 1);
    if ((granted ?? 0x80) >= 0x80)
      throw new CommandFailure(
        exitCodes.failed,
        "MQTT_NOT_AUTHORIZED",
        "The broker does not let this user change its dynamic security.",
      );
    const command = given.disable ? "disableClient" : "deleteClient";
    const correlationData = randomBytes(8).toString("hex");
    await probe.publish(orders, JSON.stringify({ commands: [{ command, username: user, correlationData }] }), 1);
    const answer = await probe.message(({ topic, payload }) => topic === answers && payload.includes(correlationData));
    const { responses } = JSON.parse(answer.payload.toString()) as {
      responses: { error?: string; correlationData?: string }[];
    };
    const refusal = responses.find((response) => response.correlationData === correlationData)?.error;
    if (refusal !== undefined)
      throw new CommandFailure(
        exitCodes.failed,
        "MQTT_REQUEST_REFUSED",
        `The broker refuses for ${JSON.stringify(user)}: ${refusal}.`,
      );
  } catch (error) {
    if (error instanceof CommandFailure) throw error;
    throw new CommandFailure(
      exitCodes.environment,
      "CONNECTION_LOST",
      `Cannot use the broker at ${host}:${port}: ${reasonOf(error).replace(/\.$/, "")}.`,
      { cause: error },
    );
  } finally {
    await probe?.close();
  }
}
